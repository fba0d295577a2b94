# The last login attempts as the host's log tells them. Functions only; `probe.sh` calls them.

# Of sshd's and the keys command's lines those that say why somebody was let in or not, without those about other names.
login_lines() {
  name=$(printf '%s' "$eic_os_user" | sed 's/[.$]/\\&/g')
  sed -n -e '/nvalid user /b named' -e '/authenticating user /b named' \
    -e '/AuthorizedKeysCommand/b kept' -e '/ not allowed because /b kept' -e '/ Accepted /b kept' -e '/ROOT LOGIN REFUSED/b kept' \
    -e '/maximum authentication attempts/b kept' -e '/ PubkeyAccepted/b kept' -e '/ revoked by file /b kept' \
    -e '/Access denied for user/b kept' -e '/pam_.*(sshd:account)/b kept' -e '/pam_.*(sshd:session): session /d' \
    -e '/pam_env/d' -e '/pam_.*(sshd:session)/b kept' -e '/ PAM: /b kept' -e '/chroot/b kept' -e '/drop connection /b kept' \
    -e '/refused connect /b kept' -e '/Timeout before /b kept' -e '/Unable to negotiate /b kept' -e '/ fork/b kept' \
    -e "/ $keys_user\\[/b kept" -e d -e ': named' -e "/ user $name /b kept" -e d -e ': kept' -e p
}

of_programs() { grep -E " (sshd|sshd-session|$keys_user)(\\[[0-9]*\\])?: | (sshd|sshd-session|$keys_user) [0-9-]+ "; }

ship_log() {
  logins=
  if ! has journalctl; then heading journal logins absent ''
  elif [ "$(id -u)" != 0 ]; then heading journal logins unreadable 'needs root'
  elif ! logins=$($limit_time ${limit_time:+3} journalctl -q --no-pager -o short-unix --since=-15min -n 600 -t sshd -t sshd-session -t "$keys_user" 2>/dev/null); then
    heading journal logins unreadable '`journalctl` failed'
  else
    logins=$(printf '%s\n' "$logins" | login_lines | tail -n 50 | cut -c 1-360)
    heading journal logins known ''
    content '|' "$logins"
  fi
  [ -z "$logins" ] || return
  for file in /var/log/auth.log /var/log/secure; do
    if [ ! -e "$file" ]; then heading tail "$file" absent ''
    # The last line, whatever wrote it, goes along: by it times without year and zone are placed.
    else ship_tail "$file" 50 login_lines_of_file; fi
  done
}

login_lines_of_file() {
  text=$(cat)
  printf '%s\n' "$text" | of_programs | login_lines
  printf '%s\n' "$text" | tail -n 1
}
