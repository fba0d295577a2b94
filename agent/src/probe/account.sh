# The accounts: what lets the OS user in and what keeps it out. Functions only; `probe.sh` calls them.

# Root's group, and those of the OS user.
group_lines() {
  grep -e '^[^:]*:[^:]*:0:' -e "^[^:]*:[^:]*:${gid:-0}:" -e "[:,]$eic_os_user," -e "[:,]$eic_os_user\$"
}

# Of the password only how it begins: never the password.
shadow_line() { grep "^$eic_os_user:" | sed 's/^\([^:]*:[!*]*\)[^:!*][^:]*:/\1hash:/'; }

# Without comments, and with the numbers of the lines.
numbered_lines() { sed 's/^[[:space:]]*#.*//'; }

# A last line that nothing ends does not count for pam_access.
access_lines() {
  if [ -n "$(tail -c 1 "$path")" ]; then sed -e '$d' | numbered_lines; else numbered_lines; fi
}

# A login by key runs the phases account and session.
pam_lines() {
  sed -e 's/^[[:space:]]*#.*//' -e 's/^[[:space:]]*-\{0,1\}auth[[:space:]].*//' -e 's/^[[:space:]]*-\{0,1\}password[[:space:]].*//'
}

drawn_in() {
  sed -n -e 's/^@include[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' \
    -e 's/^[[:space:]]*-\{0,1\}account[[:space:]]\{1,\}include[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' \
    -e 's/^[[:space:]]*-\{0,1\}account[[:space:]]\{1,\}substack[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' \
    -e 's/^[[:space:]]*-\{0,1\}session[[:space:]]\{1,\}include[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' \
    -e 's/^[[:space:]]*-\{0,1\}session[[:space:]]\{1,\}substack[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p'
}

# What sshd asks of PAM, and all that it draws in; leaves the rules in $rules.
ship_pam_rules() {
  rules='' pam_seen=' ' todo=$(printf '%s\n' "$effective" | sed -n 's/^pamservicename //p' | head -n 1)
  todo="${todo:-sshd} other"
  for round in 1 2 3 4 5 6 7 8; do
    names=
    for name in $todo; do
      case $pam_seen in *" $name "*) continue ;; esac
      pam_seen="$pam_seen$name "
      case $name in
        /*) pam_files=$name ;;
        *[!A-Za-z0-9._-]*) continue ;;
        *) pam_files="/etc/pam.d/$name /usr/lib/pam.d/$name" ;;
      esac
      for file in $pam_files; do
        ship_file "$file" 8192 pam_lines
        [ -f "$file" ] && [ -r "$file" ] || continue
        rules=$rules$newline$text
        names="$names $(printf '%s\n' "$text" | drawn_in)"
        break
      done
    done
    todo=$names
  done
}

asks_pam() { printf '%s\n' "$rules" | grep -q -F "$1"; }

ship_pam_modules() {
  modules=$(printf '%s\n' "$rules" | sed -n 's/.*[[:space:]]\(pam_[A-Za-z0-9_-]*[.]so\).*/\1/p' | sort -u)
  for folder in "/usr/lib/$(uname -m)-linux-gnu/security" /usr/lib64/security /usr/lib/security \
    "/lib/$(uname -m)-linux-gnu/security" /lib64/security /lib/security; do
    if [ -d "$folder" ] && [ -n "$modules" ]; then
      heading list "$folder" known ''
      content '|' "$(ls "$folder" | grep -F -x "$modules")"
    else heading list "$folder" absent ''; fi
  done
}

# ship_pam_file PATH FILTER
ship_pam_file() {
  ship_file "$1" 8192 "$2"
  ship_stat "$1"
}

# ship_pam_folder FOLDER FILTER
ship_pam_folder() {
  if [ ! -d "$1" ]; then heading list "$1" absent ''; return; fi
  pam_names=$(ls "$1" | grep '^[A-Za-z0-9_][A-Za-z0-9._-]*[.]conf$' | head -n 32)
  heading list "$1" known ''
  content '|' "$pam_names"
  for pam_name in $pam_names; do ship_pam_file "$1/$pam_name" "$2"; done
}

ship_pam() {
  ship_pam_rules
  ship_pam_modules
  if asks_pam pam_access.so; then
    ship_pam_file /etc/security/access.conf access_lines
    ship_pam_folder /etc/security/access.d access_lines
  fi
  if asks_pam pam_limits.so; then
    ship_pam_file /etc/security/limits.conf numbered_lines
    ship_pam_folder /etc/security/limits.d numbered_lines
    ship_file /proc/sys/fs/nr_open 64 cat
  fi
  if asks_pam pam_time.so; then
    ship_pam_file /etc/security/time.conf numbered_lines
    if zone=$(readlink /etc/localtime 2>/dev/null); then
      heading links /etc/localtime known ''
      content '|' "$zone"
    else heading links /etc/localtime absent ''; fi
  fi
  ! asks_pam pam_shells.so || ship_pam_file /etc/shells numbered_lines
  ! asks_pam pam_usertype.so || ship_pam_file /etc/login.defs login_lines
  for named in $(printf '%s\n' "$rules" | grep -F -e pam_listfile -e pam_nologin | sed -n 's/.*[[:space:]]file=\(\/[^[:space:]]*\).*/\1/p'); do
    case $named in *shadow* | *pwd* | *secret*) ;; *) ship_pam_file "$named" numbered_lines ;; esac
  done
  for named in $(printf '%s\n' "$rules" | grep -F pam_access | sed -n 's/.*[[:space:]]accessfile=\(\/[^[:space:]]*\).*/\1/p'); do
    case $named in *shadow* | *pwd* | *secret*) ;; *) ship_pam_file "$named" access_lines ;; esac
  done
}

login_lines() { numbered_lines | sed -e '/^UID_MIN/b' -e '/^SYS_UID_MAX/b' -e 's/.*//'; }

ship_account() {
  heading value now known "$(date +%s)"
  gid=$(id -g "$eic_os_user" 2>/dev/null)
  ship_file /etc/group 4096 group_lines
  ship_file /etc/shadow 1024 shadow_line
  ship_stat /var/lib/sss/pipes/nss
  shell=$(getent passwd "$eic_os_user" 2>/dev/null | cut -d: -f7)
  ship_stat "${shell:-/bin/sh}"
  loader=$(tr '\000' '\n' <"${shell:-/bin/sh}" 2>/dev/null | grep -a -m 1 '^/lib[A-Za-z0-9_/.-]*/ld[A-Za-z0-9_.-]*$')
  if [ -r "${shell:-/bin/sh}" ]; then
    heading texts "${shell:-/bin/sh} /lib" known ''
    content '|' "$loader"
    [ -z "$loader" ] || ship_stat "$loader"
  fi
  ship_file /run/nologin 512 head -n 1
  ship_file /etc/nologin 512 head -n 1
  case $effective in
    *"${newline}usepam no"*) ;;
    *) ship_pam ;;
  esac
  if grep -e '^group:' -e '^initgroups:' /etc/nsswitch.conf | grep -q -e sss -e ldap -e winbind -e nis -e vas -e centrify; then
    ship_run id-groups 2 4096 id -G "$eic_os_user"
    if [ "$status" = 0 ]; then ship_run getent-groups 2 16384 getent group $text; fi
  fi
}
