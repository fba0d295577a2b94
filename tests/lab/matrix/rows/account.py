"""The keys user, and the OS user who logs in."""

from matrix.row import CLOSED, DENIED, fault

NOLOGIN_SHELL = "usermod -s /usr/sbin/nologin ec2-user"
EXPIRED = "chage -E 2020-01-01 ec2-user"

ROWS = [
    fault("the keys user is gone", DENIED, "os.account.keys-user", "userdel ec2-instance-connect"),
    fault("the OS user is not there", DENIED, "os.account.os-user", "userdel ec2-user; useradd -m -s /bin/bash ubuntu"),
    fault("a key pushed for a user of another distribution", DENIED, "os.account.os-user", "", os_user="ubuntu"),
    fault("the login shell is nologin", CLOSED, "os.account.shell", NOLOGIN_SHELL),
    fault("the login shell is /bin/false", CLOSED, "os.account.shell", "usermod -s /bin/false ec2-user"),
    fault("the login shell does not exist", DENIED, "os.account.shell", "usermod -s /bin/fish ec2-user"),
    fault("the login shell is not executable", DENIED, "os.account.shell",
          "cp /bin/bash /usr/local/bin/mysh; chmod 0644 /usr/local/bin/mysh; usermod -s /usr/local/bin/mysh ec2-user"),
    fault("the login shell may be run by root only", CLOSED, "os.account.shell",
          "cp /bin/bash /usr/local/bin/mysh; chmod 0700 /usr/local/bin/mysh; usermod -s /usr/local/bin/mysh ec2-user"),
    fault("the login shell's libraries are gone", CLOSED, "os.account.shell",
          "cp /bin/bash /usr/local/bin/mysh; sed -i 's,/lib64/ld-linux-x86-64.so.2,/lib64/ld-linux-x86-64.so.9,' /usr/local/bin/mysh; "
          "usermod -s /usr/local/bin/mysh ec2-user"),
    fault("the account expired", CLOSED, "os.account.expired", EXPIRED),
    fault("the account expires at once", CLOSED, "os.account.expired", "chage -E 1 ec2-user"),
    fault("a new password is due", CLOSED, "os.account.expired", "usermod -p '*' ec2-user; chage -d 0 ec2-user"),
    fault("the password is older than it may be", CLOSED, "os.account.expired", "chage -d 2020-01-01 -M 30 -I -1 ec2-user"),
    fault("the password is older than it may be, and the account inactive", CLOSED, "os.account.expired",
          "chage -d 2020-01-01 -M 30 -I 7 ec2-user"),
    fault("the account is locked where PAM is off", DENIED, "os.account.locked",
          "usermod -L ec2-user; echo 'UsePAM no' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("/etc/nologin stands", CLOSED, "os.account.nologin", "echo 'maintenance' >/etc/nologin"),
    fault("/run/nologin stands", CLOSED, "os.account.nologin", ": >/run/nologin"),
    fault("/etc/nologin stands where PAM is off", CLOSED, "os.account.nologin",
          "usermod -p '*' ec2-user; echo 'UsePAM no' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh; echo no >/etc/nologin"),
    fault("pam_access denies everybody but root", CLOSED, "os.account.access",
          "sed -i 's/^# account  required     pam_access.so/account required pam_access.so/' /etc/pam.d/sshd; "
          "echo '-:ALL EXCEPT root:ALL' >>/etc/security/access.conf; grep -q '^account required pam_access' /etc/pam.d/sshd"),
    fault("pam_access denies this user from elsewhere", CLOSED, "os.account.access",
          "sed -i 's/^# account  required     pam_access.so/account required pam_access.so/' /etc/pam.d/sshd; "
          "echo '-:ec2-user:ALL EXCEPT 10.0.0.0/8' >>/etc/security/access.conf"),
    fault("pam_access admits one group only", CLOSED, "os.account.access",
          "echo 'account required pam_access.so' >>/etc/pam.d/common-account; groupadd wheel; "
          "printf '+:(wheel) root:ALL\\n-:ALL:ALL\\n' >>/etc/security/access.conf"),
    fault("pam_listfile lists the user", CLOSED, "os.account.access",
          "echo ec2-user >/etc/ssh/denied; "
          "sed -i '1i account required pam_listfile.so item=user sense=deny file=/etc/ssh/denied onerr=succeed' /etc/pam.d/sshd"),
    fault("pam_listfile does not list the user", CLOSED, "os.account.access",
          "echo root >/etc/ssh/allowed; "
          "sed -i '1i account required pam_listfile.so item=user sense=allow file=/etc/ssh/allowed onerr=fail' /etc/pam.d/sshd"),
    fault("pam_succeed_if wants a group", CLOSED, "os.account.access",
          "groupadd ssh-users; sed -i '1i account required pam_succeed_if.so user ingroup ssh-users' /etc/pam.d/sshd"),
    fault("pam_deny stands in the account phase", CLOSED, "os.account.access",
          "sed -i '1i account required pam_deny.so' /etc/pam.d/sshd"),
    fault("pam_time closes the day", CLOSED, "os.account.access",
          "sed -i '1i account required pam_time.so' /etc/pam.d/sshd; echo '*;*;ec2-user;!Al0000-2400' >>/etc/security/time.conf"),
    fault("the user may have no session", CLOSED, "os.account.access",
          "echo 'ec2-user hard maxlogins 0' >>/etc/security/limits.conf"),
    fault("a session module fails", CLOSED, "os.account.access",
          "echo 'session required pam_deny.so' >>/etc/pam.d/sshd"),
    fault("a PAM module is missing", CLOSED, "os.account.access",
          "sed -i '1i account required pam_nosuch.so' /etc/pam.d/sshd"),
    fault("DenyUsers names the user", DENIED, "os.sshd.user-allowed",
          "echo 'DenyUsers ec2-user' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("AllowUsers names others", DENIED, "os.sshd.user-allowed",
          "echo 'AllowUsers admin ubuntu' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("AllowUsers admits the user from elsewhere only", DENIED, "os.sshd.user-allowed",
          "echo 'AllowUsers ec2-user@10.0.0.0/8' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("AllowGroups names a group of others", DENIED, "os.sshd.user-allowed",
          "groupadd ssh-users; echo 'AllowGroups ssh-users' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("DenyGroups names a group of the user", DENIED, "os.sshd.user-allowed",
          "usermod -aG games ec2-user; echo 'DenyGroups games' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh"),
    fault("a Match block for this user has AllowGroups", DENIED, "os.sshd.user-allowed",
          "printf 'Match User ec2-user\\n  AllowGroups nobody-here\\n' >>/etc/ssh/sshd_config; systemctl restart ssh"),
    fault("root may not log in", DENIED, "os.sshd.root-login",
          "echo 'PermitRootLogin no' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh", os_user="root"),
    fault("root may run one forced command only", DENIED, "os.sshd.root-login",
          "echo 'PermitRootLogin forced-commands-only' >/etc/ssh/sshd_config.d/a.conf; systemctl restart ssh", os_user="root"),
]  # fmt: skip
