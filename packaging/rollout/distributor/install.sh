#!/bin/sh
# Installs the package beside this file, or brings it up to date: the SSM Agent runs it as install.sh and as update.sh, once the sum
# of the archive has been compared. Neither tool asks a repository, and what an administrator changed in /etc stays.
set -eu
cd "$(dirname "$0")"
for package in ./*.deb ./*.rpm; do
    case $package in
    ./\*.*) ;;
    *.deb) DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --install "$package" ;;
    *.rpm) rpm --upgrade --replacepkgs "$package" ;;
    esac
done
