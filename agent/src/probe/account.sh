# The accounts: what lets the OS user in and what keeps it out. Functions only; `probe.sh` calls them.

# Root's group, and those of the OS user.
group_lines() {
  grep -e '^[^:]*:[^:]*:0:' -e "^[^:]*:[^:]*:${gid:-0}:" -e "[:,]$eic_os_user," -e "[:,]$eic_os_user\$"
}

ship_account() {
  heading value now known "$(date +%s)"
  gid=$(id -g "$eic_os_user" 2>/dev/null)
  ship_file /etc/group 4096 group_lines
}
