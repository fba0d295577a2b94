# Security modules and policies: SELinux, FIPS mode, system-wide crypto policies. Functions only; `probe.sh` calls them.

# Modules of the policy whose name is about EC2 Instance Connect.
ship_modules() {
  policy=$(sed -n 's/^SELINUXTYPE=//p' /etc/selinux/config 2>/dev/null | tail -n 1)
  for store in "/var/lib/selinux/${policy:-targeted}/active/modules" "/etc/selinux/${policy:-targeted}/active/modules"; do
    if [ ! -d "$store" ]; then
      heading list "$store" absent ''
      continue
    fi
    if ! names=$(ls "$store" 2>/dev/null); then
      heading list "$store" unreadable 'permission denied'
      continue
    fi
    heading list "$store" known ''
    content '|' "$names"
    for name in $names; do
      heading list "$store/$name" known ''
      content '|' "$(ls "$store/$name" 2>/dev/null | grep -i -E 'instance[-_]connect|(^|[-_])eic([-_]|$)')"
    done
  done
}

denials() { grep -E '^type=AVC .*( comm="?eic|:(sshd[a-z_]*|ssh_keygen)_t:.* tcontext=)'; }

ship_security() {
  ship_file /proc/sys/crypto/fips_enabled 16 cat
  ship_file /etc/crypto-policies/state/current 256 head -n 1
  ship_file /etc/crypto-policies/back-ends/opensshserver.config 8192 grep -i -o -E 'PubkeyAccepted(Algorithms|KeyTypes)[ =][^ '"'"']*'
  ship_file /sys/fs/selinux/enforce 16 cat
  [ -e /sys/fs/selinux/enforce ] || return
  ship_file /etc/selinux/config 1024 grep '^SELINUXTYPE='
  ship_file /sys/fs/selinux/booleans/authlogin_yubikey 16 cat
  ship_modules
  ship_tail /var/log/audit/audit.log 12 denials
}
