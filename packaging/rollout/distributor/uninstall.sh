#!/bin/sh
# Takes the agent away. Where the instance was installed to anew afterwards ("uninstall and reinstall"), a purge would have cost it its
# identity: so a .deb's configuration and state stay until `dpkg --purge eic-doctor-agent`. rpm knows no such difference.
set -eu
if command -v dpkg >/dev/null && dpkg --status eic-doctor-agent >/dev/null 2>&1; then
    DEBIAN_FRONTEND=noninteractive dpkg --remove eic-doctor-agent
elif command -v rpm >/dev/null && rpm --query eic-doctor-agent >/dev/null; then
    rpm --erase eic-doctor-agent
fi
