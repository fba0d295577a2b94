"""Tools, shared memory, the log's socket, and who the machine says it is."""

from matrix.row import DENIED, UNREACHED, fault

UNIT = "/etc/systemd/system/ssh.service.d/harden.conf"
TAG = "/sys/devices/virtual/dmi/id/board_asset_tag"
TOOLS, SHARED, NULL = "os.host.tools", "os.host.shared-memory", "os.host.null-device"


def harden(line: str) -> str:
    return f"mkdir -p {UNIT.rpartition('/')[0]}; printf '[Service]\\n{line}\\n' >{UNIT}; systemctl daemon-reload; systemctl restart ssh"


ROWS = [
    fault("curl is gone", DENIED, TOOLS, "rm /usr/bin/curl"),
    fault("a library of curl's is gone", DENIED, TOOLS, "rm /usr/lib/x86_64-linux-gnu/libcurl.so.4*"),
    fault("a library of openssl's is root's alone", DENIED, TOOLS, "chmod 0700 /usr/lib/x86_64-linux-gnu/libssl.so.3"),
    fault("the folder of libraries is root's alone", DENIED, TOOLS, "chmod 0700 /usr/lib/x86_64-linux-gnu"),
    fault("/dev/null is root's alone", DENIED, NULL, "chmod 0600 /dev/null"),
    fault("/dev/null is gone", UNREACHED, NULL, "rm /dev/null"),
    fault("/dev/null is a file of root's", DENIED, NULL, "rm /dev/null; : >/dev/null; chmod 0644 /dev/null"),
    fault("openssl is gone", DENIED, TOOLS, "rm /usr/bin/openssl"),
    fault("ssh-keygen is gone", DENIED, TOOLS, "rm /usr/bin/ssh-keygen"),
    fault("base64 is gone", DENIED, TOOLS, "rm /usr/bin/base64"),
    fault("awk is gone", DENIED, TOOLS, "rm /usr/bin/awk /etc/alternatives/awk"),
    fault("timeout is gone", DENIED, TOOLS, "rm /usr/bin/timeout"),
    fault("mktemp is gone", DENIED, TOOLS, "rm /usr/bin/mktemp"),
    fault("sed and grep are gone", DENIED, TOOLS, "rm /usr/bin/sed /usr/bin/grep"),
    fault("find is gone", DENIED, TOOLS, "rm /usr/bin/find"),
    fault("find is BusyBox's", DENIED, TOOLS, "ln -sf /usr/bin/busybox /usr/bin/find"),
    fault("curl is not executable", DENIED, TOOLS, "chmod 0644 /usr/bin/curl"),
    fault("curl may be run by root only", DENIED, TOOLS, "chmod 0750 /usr/bin/curl"),
    fault("openssl may be run by root only", DENIED, TOOLS, "chmod 0700 /usr/bin/openssl"),
    fault("ssh-keygen may be run by a group", DENIED, TOOLS, "chgrp games /usr/bin/ssh-keygen; chmod 0750 /usr/bin/ssh-keygen"),
    fault("logger is gone", DENIED, TOOLS, "rm /usr/bin/logger"),
    fault("logger may be run by root only", DENIED, TOOLS, "chmod 0700 /usr/bin/logger"),
    fault("/dev/log is gone", DENIED, "os.host.syslog", "rm /dev/log"),
    fault("nobody listens at /dev/log", DENIED, "os.host.syslog",
          "systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service; "
          "rm -f /run/systemd/journal/dev-log"),
    fault("/dev/log is root's alone", DENIED, "os.host.syslog", "chmod 0600 /run/systemd/journal/dev-log"),
    fault("/dev/shm is read-only", DENIED, SHARED, "mount -o remount,ro /dev/shm"),
    fault("/dev/shm is full", DENIED, SHARED,
          "mount -o remount,size=64k /dev/shm; dd if=/dev/zero of=/dev/shm/full bs=4k 2>/dev/null || :"),
    fault("/dev/shm has no inodes left", DENIED, SHARED,
          "mount -o remount,nr_inodes=3 /dev/shm; touch /dev/shm/1 /dev/shm/2 /dev/shm/3 2>/dev/null || :"),
    fault("/dev/shm is 0755", DENIED, SHARED, "chmod 0755 /dev/shm"),
    fault("/dev/shm is 0700", DENIED, SHARED, "chmod 0700 /dev/shm"),
    fault("/dev/shm is not there", DENIED, SHARED, "umount /dev/shm; rmdir /dev/shm"),
    fault("/dev/shm is no mount and root's alone", DENIED, SHARED, "umount /dev/shm; chmod 0755 /dev/shm"),
    fault("the unit hides /dev/shm", DENIED, SHARED, harden("InaccessiblePaths=/dev/shm")),
    fault("the unit shows /dev/shm read-only", DENIED, SHARED, harden("ReadOnlyPaths=/dev/shm")),
    fault("the unit shows all of / read-only", DENIED, SHARED, harden("ReadOnlyPaths=/")),
    fault("DMI names another instance", DENIED, "os.host.identity",
          f"echo i-0123456789abcdef0 >/root/tag; mount --bind /root/tag {TAG}"),
    fault("DMI's asset tag says nothing", DENIED, "os.host.identity",
          f"echo 'Not Specified' >/root/tag; mount --bind /root/tag {TAG}"),
    fault("DMI is hidden", DENIED, "os.host.identity", "mount -t tmpfs tmpfs /sys/devices/virtual/dmi/id"),
    fault("DMI may be read by root only", DENIED, "os.host.identity",
          f"cat {TAG} >/root/tag; chmod 0400 /root/tag; mount --bind /root/tag {TAG}"),
]  # fmt: skip
