"""The package, its files, and the path to them."""

from matrix.row import DENIED, fault

SCRIPTS = "/usr/share/ec2-instance-connect"
RUN = f"{SCRIPTS}/eic_run_authorized_keys"
FILES = "os.package.keys-command-files"

ROWS = [
    fault("the package was never installed", DENIED, "os.package.installed", "", spec={"package_version": None}),
    fault("the package was purged", DENIED, "os.package.installed", "dpkg --purge ec2-instance-connect"),
    fault("the package was removed, not purged", DENIED, "os.package.installed", "dpkg --remove ec2-instance-connect"),
    fault("a package that speaks IMDSv1 only, where tokens are required", DENIED, "os.package.version", "",
          spec={"package_version": "1.1.11"}),
    fault("the keys command is gone", DENIED, FILES, f"rm {RUN}"),
    fault("the second script is gone", DENIED, FILES, f"rm {SCRIPTS}/eic_curl_authorized_keys"),
    fault("the third script is gone", DENIED, FILES, f"rm {SCRIPTS}/eic_parse_authorized_keys"),
    fault("the scripts' folder is gone", DENIED, FILES, f"rm -r {SCRIPTS}"),
    fault("the keys command is not executable", DENIED, FILES, f"chmod 0644 {RUN}"),
    fault("the second script is not executable", DENIED, FILES, f"chmod 0644 {SCRIPTS}/eic_curl_authorized_keys"),
    fault("the third script is not executable", DENIED, FILES, f"chmod 0644 {SCRIPTS}/eic_parse_authorized_keys"),
    fault("the keys command may be run by root only", DENIED, FILES, f"chmod 0700 {RUN}"),
    fault("the second script may be run by root only", DENIED, FILES, f"chmod 0700 {SCRIPTS}/eic_curl_authorized_keys"),
    fault("the keys command is executable and not readable", DENIED, FILES, f"chmod 0711 {RUN}"),
    fault("the keys command is world-writable", DENIED, FILES, f"chmod 0757 {RUN}"),
    fault("the scripts' folder is world-writable", DENIED, FILES, f"chmod 0777 {SCRIPTS}"),
    fault("the scripts' folder is root's alone", DENIED, FILES, f"chmod 0700 {SCRIPTS}"),
    fault("/usr/share is root's alone", DENIED, FILES, "chmod 0750 /usr/share"),
    fault("/usr is world-writable", DENIED, FILES, "chmod 0777 /usr"),
    fault("/ is world-writable", DENIED, FILES, "chmod 0777 /"),
    fault("the keys command belongs to another user", DENIED, FILES, f"chown ec2-user {RUN}"),
    fault("the scripts' folder belongs to another user", DENIED, FILES, f"chown ec2-user {SCRIPTS}"),
    fault("the keys command is writable by another group", DENIED, FILES, f"chgrp games {RUN}; chmod 0775 {RUN}"),
    fault("the scripts' folder is writable by a group of several members", DENIED, FILES,
          f"usermod -aG root ec2-user; chmod 0775 {SCRIPTS}"),
    fault("the keys command is a folder", DENIED, FILES, f"rm {RUN}; mkdir {RUN}"),
    fault("the keys command is a link to nowhere", DENIED, FILES, f"rm {RUN}; ln -s /nonexistent/keys {RUN}"),
    fault("the keys command is empty", DENIED, FILES, f": >{RUN}"),
    fault("the second script is empty", DENIED, FILES, f": >{SCRIPTS}/eic_curl_authorized_keys"),
    fault("the third script is empty", DENIED, FILES, f": >{SCRIPTS}/eic_parse_authorized_keys"),
    fault("the keys command has an interpreter that is not there", DENIED, FILES, f"sed -i '1s,.*,#!/bin/nosuchshell,' {RUN}"),
    fault("the keys command ends its lines as Windows does", DENIED, FILES, f"sed -i 's/$/\\r/' {RUN}"),
    fault("the second script has an interpreter that is not there", DENIED, FILES,
          f"sed -i '1s,.*,#!/usr/local/bin/bash,' {SCRIPTS}/eic_curl_authorized_keys"),
    fault("the scripts stand on a file system that runs nothing", DENIED, FILES,
          f"mount --bind {SCRIPTS} {SCRIPTS}; mount -o remount,bind,noexec {SCRIPTS}"),
    fault("the package is unpacked and not configured", DENIED, "os.package.installed",
          "systemctl stop ssh; rm /lib/systemd/system/ssh.service.d/ec2-instance-connect.conf; userdel ec2-instance-connect; "
          "sed -i '/^Package: ec2-instance-connect$/,/^$/s/^Status: .*/Status: install ok unpacked/' /var/lib/dpkg/status; "
          "systemctl daemon-reload; systemctl start ssh"),
]  # fmt: skip
