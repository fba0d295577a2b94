#!/usr/bin/env bash
# Gets everything the lab needs on a Debian 12 machine, as root. Does nothing that is already done: a second run
# takes well under a second. The lab's own things go to $EIC_LAB_CACHE, by default /var/cache/eic-doctor-lab.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${EIC_LAB_CACHE:-/var/cache/eic-doctor-lab}
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# Command, and the Debian package that has it.
missing=()
while read -r command package; do
    command -v "$command" >/dev/null 2>&1 || missing+=("$package")
done <<'TOOLS'
debootstrap debootstrap
systemd-nspawn systemd-container
ip iproute2
nft nftables
nsenter util-linux
strace strace
shellcheck shellcheck
packer packer
ssh openssh-client
ssh-keygen openssh-client
openssl openssl
dpkg-deb dpkg
rpmbuild rpm
buildah buildah
kubectl kubernetes-client
python3 python3
node nodejs
npm npm
chromium chromium
zsh zsh
fish fish
TOOLS
# Debian has the module `venv` without what it needs to make an environment.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ ${#missing[@]} -gt 0 ]; then
    echo "lab: installing ${missing[*]}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mkdir -p "$cache"
# Two checkouts may set up at once.
exec 9>"$cache/setup.lock"
flock 9

# A directory is done when it holds the digest of what it was made from.
is_done() { [ "$(cat "$1/.made-from" 2>/dev/null)" = "$2" ]; }

wanted=$(sha256sum <"$here/requirements.txt")
if ! is_done "$cache/venv" "$wanted" || ! "$cache/venv/bin/python" -c '' 2>/dev/null; then
    echo "lab: making the Python environment in $cache/venv" >&2
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    echo "$wanted" >"$cache/venv/.made-from"
fi

# Of these Debian packages one thing each, and nothing installed: prometheus would start a server, and cloud-init configure this machine
# at its next start. What it is called in the cache, the package, and where it is there.
while read -r name package path; do
    [ -e "$cache/$name" ] && continue
    echo "lab: taking $name out of Debian's package $package" >&2
    unpacked="$cache/$name.unpacked"
    rm -rf "$unpacked"
    mkdir "$unpacked"
    (
        cd "$unpacked"
        download=(apt-get -qq -o APT::Sandbox::User=root download "$package")
        "${download[@]}" || { apt-get update -qq && "${download[@]}"; }
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x "./$path"
    ) </dev/null
    mv "$unpacked/$path" "$cache/$name"
    rm -r "$unpacked"
done <<'TAKEN'
promtool prometheus usr/bin/promtool
cloud-init cloud-init usr/lib/python3/dist-packages
TAKEN

# Node packages, each pinned by the lock file in its folder: the directory in the cache, and where the lock file is.
while read -r name folder; do
    wanted=$(sha256sum <"$folder/package-lock.json")
    is_done "$cache/$name" "$wanted" && continue
    echo "lab: installing the Node packages of $name in $cache/$name" >&2
    rm -rf "${cache:?}/$name"
    mkdir -p "$cache/$name"
    cp "$folder/package.json" "$folder/package-lock.json" "$cache/$name/"
    (cd "$cache/$name" && npm ci --silent --no-audit --no-fund --ignore-scripts >&2)
    echo "$wanted" >"$cache/$name/.made-from"
done <<PACKAGES
simulator $here/aws/simulator
browser $here/../end_to_end/browser
PACKAGES
