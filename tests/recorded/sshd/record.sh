#!/bin/sh
# Asks a real sshd about every shape in the folder of this file: record.sh BASE OUT, in a mount namespace of its own, as root.
# BASE is a root with an sshd and the accounts of the lab (tests/lab/base.py); nothing is written below it, only laid over it.
# OUT gets NAME.out, NAME.err and NAME.status for each shape.
set -eu
base=$1 out=$2
shapes=$(cd "$(dirname "$0")" && pwd)
mount -t tmpfs tmpfs "$base/run"
mount -t tmpfs tmpfs "$base/etc/ssh"
mount -t tmpfs tmpfs "$base/srv"
mkdir "$base/run/sshd"
{ cat "$base/etc/group" && echo 'wheel:x:4999:ec2-user'; } >"$base/run/group"
mount --bind "$base/run/group" "$base/etc/group"
ssh-keygen -q -t ed25519 -N '' -f "$base/run/key"
for shape in "$shapes"/[0-9]*/; do
    name=$(basename "$shape")
    find "$base/etc/ssh" "$base/srv" -mindepth 1 -delete
    cp -r "$shape/etc/ssh/." "$base/etc/ssh/"
    [ ! -d "$shape/srv" ] || cp -r "$shape/srv/." "$base/srv/"
    cp "$base/run/key" "$base/etc/ssh/ssh_host_ed25519_key"
    set --
    if [ -e "$shape/arguments" ]; then
        while IFS= read -r argument; do set -- "$@" "$argument"; done <"$shape/arguments"
    fi
    status=0
    chroot "$base" /usr/sbin/sshd -T "$@" -C "$(cat "$shape/connection")" >"$out/$name.out" 2>"$out/$name.err" </dev/null || status=$?
    echo "$status" >"$out/$name.status"
done
