# What filters packets to sshd on the instance itself. Functions only; `probe.sh` calls them.

# To ask for a table whose module is not there would load it.
has_nf_tables() {
  grep -q '^[^ ]* *12 ' /proc/net/netlink || return 1
  [ -r /proc/modules ] || return 0
  grep -q '^nf_tables ' /proc/modules || grep -q '/nf_tables[.]ko' "/lib/modules/$(uname -r)/modules.builtin"
} 2>/dev/null

# ship_contains PATH TEXT
ship_contains() {
  if [ ! -e "$1" ]; then heading contains "$1 $2" absent ''
  elif [ ! -r "$1" ]; then heading contains "$1 $2" unreadable 'permission denied'
  elif grep -q -F "$2" "$1"; then heading contains "$1 $2" known yes
  else heading contains "$1 $2" known no; fi
}

# Comments become empty lines, so that numbers stay. A last line that no new line ends does not count.
access_lines() {
  if [ -n "$(tail -c 1 "$path")" ]; then sed -e '$d' -e 's/^#.*//'
  else sed 's/^#.*//'; fi
}

# ship_save NAME OTHER-NAME
ship_save() {
  if has "$1"; then ship_run "$1" 2 65536 "$1"
  elif has "$2"; then ship_run "$1" 2 65536 "$2"
  else heading run "$1" absent ''; fi
}

ship_firewall() {
  for file in /etc/hosts.allow /etc/hosts.deny; do ship_file "$file" 16384 access_lines; done
  if grep -q '^[^#]*:' /etc/hosts.allow /etc/hosts.deny 2>/dev/null; then
    for program in /usr/sbin/sshd /usr/lib/openssh/sshd-session /usr/libexec/openssh/sshd-session; do
      ship_contains "$program" libwrap.so
    done
    IFS=" ,:$tab$newline"
    for path in $(sed 's/^#.*//' /etc/hosts.allow /etc/hosts.deny 2>/dev/null); do
      case $path in /[A-Za-z]*) ship_file "$path" 8192 cat ;; esac
    done
    IFS=$default_ifs
  fi

  rules=
  ship_file /proc/net/netlink 4096 grep '^[^ ]* *12 '
  if has_nf_tables; then
    ship_run nft 2 131072 nft -j list ruleset
    rules=$text
    if ! has nft || printf '%s\n' "$rules" | grep -q '"xt"'; then
      ship_save iptables-nft-save iptables-save
      rules=$rules$text
      ship_save ip6tables-nft-save ip6tables-save
      rules=$rules$text
    fi
  elif [ -r /proc/modules ]; then
    ship_file /proc/modules 4096 grep '^nf_tables '
    ship_file /proc/sys/kernel/osrelease 256 cat
    ship_contains "/lib/modules/$(uname -r)/modules.builtin" /nf_tables.ko
  fi
  for family in ip ip6; do
    ship_file "/proc/net/${family}_tables_names" 1024 cat
    if grep -q . "/proc/net/${family}_tables_names" 2>/dev/null; then
      ship_save "${family}tables-legacy-save" "${family}tables-save"
      rules=$rules$text
    fi
  done
  case $rules in *--match-set*) ship_run ipset 2 65536 ipset save ;; esac
}
