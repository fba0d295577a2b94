# The probe script, version 1: for an instance without eic-doctor-agent. Reads, runs programs that only print, asks the metadata
# service, and prints one block. Writes no file. For any POSIX sh; what a missing tool would have told is left out with that reason.
# Before it stand assignments of eic_os_user, eic_port, eic_source_address and eic_address, or it uses these:
: "${eic_os_user:=ec2-user}" "${eic_port:=22}" "${eic_source_address:=}" "${eic_address:=}"

LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
cd / || exit 1
set -f
tab=$(printf '\t')
newline='
'
default_ifs=" $tab$newline"

has() { command -v "$1" >/dev/null 2>&1; }

# busybox has had several notions of `timeout`.
if timeout -k 1 1 true 2>/dev/null; then limit_time='timeout -k 1'
elif timeout 1 true 2>/dev/null; then limit_time=timeout
else limit_time=; fi

# heading KIND NAME STATE DETAIL
heading() { printf '@%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4"; }

# Every line of content carries a mark, so that none can pass for a heading: content MARK TEXT
content() { [ -z "$2" ] || printf '%s\n' "$2" | sed "s/^/$1/"; }

# ship_file PATH LIMIT FILTER...
ship_file() {
  path=$1 limit=$2
  shift 2
  if [ ! -e "$path" ]; then heading file "$path" absent ''
  elif [ ! -f "$path" ]; then heading file "$path" unreadable 'not a regular file'
  elif [ ! -r "$path" ]; then heading file "$path" unreadable 'permission denied'
  else
    text=$("$@" <"$path" 2>/dev/null | head -c "$limit")
    if [ "${#text}" -ge "$limit" ]; then heading file "$path" unreadable "more than $limit bytes"
    else
      heading file "$path" known ''
      content '|' "$text"
    fi
  fi
}

# ship_tail PATH LINES FILTER...; of the last half megabyte, the last of the lines that pass the filter.
ship_tail() {
  path=$1 lines=$2
  shift 2
  if [ ! -e "$path" ]; then heading tail "$path" absent ''
  elif [ ! -f "$path" ]; then heading tail "$path" unreadable 'not a regular file'
  elif [ ! -r "$path" ]; then heading tail "$path" unreadable 'permission denied'
  else
    heading tail "$path" known "$(stat -L -c %Y "$path" 2>/dev/null)"
    content '|' "$(tail -c 524288 "$path" | "$@" | tail -n "$lines" | cut -c 1-500)"
  fi
}

# ship_run NAME SECONDS LIMIT COMMAND...; leaves what the command printed in $text.
ship_run() {
  name=$1 seconds=$2 limit=$3 text='' status=
  shift 3
  if ! has "$1"; then
    heading run "$name" absent ''
    return
  fi
  [ -z "$limit_time" ] || { IFS=$default_ifs; set -- $limit_time "$seconds" "$@"; }
  text=$({ "$@" </dev/null 2>/dev/null; printf '\n@%s' "$?"; } | head -c "$limit")
  status=${text##*"$newline@"}
  text=${text%"$newline@"*}
  case $status in
    124 | 137) heading run "$name" unreadable "timed out after $seconds s" ;;
    0)
      heading run "$name" exit 0
      content '|' "$text"
      ;;
    '' | *[!0-9]*) heading run "$name" unreadable "it printed more than $limit bytes" ;;
    *)
      heading run "$name" exit "$status"
      content '|' "$text"
      content '!' "$("$@" </dev/null 2>&1 >/dev/null | head -c 500)"
      ;;
  esac
}

# ship_stat PATH
ship_stat() {
  if [ ! -e "$1" ]; then heading stat "$1" absent ''
  elif ! has stat; then heading stat "$1" unreadable 'there is no `stat`'
  elif numbers=$(stat -L -c '%f %u %g %s' "$1" 2>/dev/null); then
    heading stat "$1" known "$numbers"
    [ ! -h "$1" ] || content '|' "$(readlink -f "$1" 2>/dev/null)"
  else heading stat "$1" unreadable '`stat` failed'; fi
}

# A path and each folder that leads to it, each once.
shipped=$newline
ship_stat_up() {
  up=$1
  while [ -n "$up" ]; do
    case $shipped in
      *"$newline$up$newline"*) ;;
      *)
        ship_stat "$up"
        shipped=$shipped$up$newline
        ;;
    esac
    up=${up%/*}
  done
}

# Sockets in state LISTEN, the columns that matter: local address and inode.
listening() {
  sed -n 's/^ *[0-9]*: \([0-9A-F]*:[0-9A-F]*\) [0-9A-F]*:[0-9A-F]* 0A [^ ]* [^ ]* [^ ]*  *[0-9]*  *[0-9]* \([0-9]*\).*/0: \1 0 0A 0 0 0 0 0 \2/p'
}

# Comments are empty lines, so that numbers stay.
config_lines() { sed 's/^[[:space:]]*#.*//'; }

# ship_modified PATH
ship_modified() {
  if [ ! -e "$1" ]; then heading modified "$1" absent ''
  elif moment=$(stat -L -c %.9Y "$1" 2>/dev/null) && [ -n "${moment##*[!0-9.]*}" ]; then heading modified "$1" known "$moment"
  elif moment=$(stat -L -c %Y "$1" 2>/dev/null); then heading modified "$1" known "$moment"
  else heading modified "$1" unreadable '`stat` failed'; fi
}

# ship_folder PATH: its names, those of ordinary characters.
listed=$newline
ship_folder() {
  case $listed in *"$newline$1$newline"*) return ;; esac
  listed=$listed$1$newline
  ship_modified "$1"
  if [ -d "$1" ]; then
    names=$(ls "$1" 2>/dev/null | grep '^[A-Za-z0-9_][A-Za-z0-9._-]*$' | head -n 64)
    heading list "$1" known ''
    content '|' "$names"
  else heading list "$1" absent ''; fi
}

# ship_config FILE: sshd's file and what it includes, as far as one folder with a pattern goes.
ship_config() {
  queue=$1 done_files=$newline number=0
  while [ -n "$queue" ] && [ "$number" -lt 32 ]; do
    file=${queue%%"$newline"*}
    queue=${queue#"$file"}
    queue=${queue#"$newline"}
    case $done_files in *"$newline$file$newline"*) continue ;; esac
    done_files=$done_files$file$newline
    number=$((number + 1))
    text=
    ship_file "$file" 16384 config_lines
    ship_modified "$file"
    for pattern in $(printf '%s\n' "$text" | sed -n 's/^[[:space:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee][[:space:]=]*//p' | tr -d '"'); do
      case $pattern in
        /*) ;;
        *) pattern=/etc/ssh/$pattern ;;
      esac
      folder=${pattern%/*}
      case $folder in *[*?[]*) continue ;; esac
      case ${pattern##*/} in
        *[*?[]*) ship_folder "${folder:-/}" ;;
      esac
      set +f
      for found in $pattern; do [ ! -f "$found" ] || queue=$queue$newline$found; done
      set -f
      queue=${queue#"$newline"}
    done
  done
}

# What a value of the configuration leads to; $effective is sshd's answer.
ship_extras() {
  set_to() { printf '%s\n' "$effective" | sed -n "s/^$1 \(.*\)/\1/p" | head -n 1; }
  program_of_keys=$(set_to authorizedkeyscommand)
  program_of_keys=${program_of_keys%% *}
  case $program_of_keys in
    */eic_run_authorized_keys | */eic-run | '' | none) ;;
    /*)
      if [ "$(head -c 2 "$program_of_keys" 2>/dev/null)" = '#!' ]; then ship_file "$program_of_keys" 8192 cat
      elif [ -f "$program_of_keys" ]; then heading file "$program_of_keys" unreadable 'it is no script'
      else heading file "$program_of_keys" absent ''; fi
      ;;
  esac
  for file in $(set_to revokedkeys); do
    case $file in
      /*)
        # A list in binary is no text; what is in it does not matter.
        if [ "$(head -c 6 "$file" 2>/dev/null)" = SSHKRL ]; then heading file "$file" unreadable 'it is a key revocation list'
        else ship_file "$file" 8192 cat; fi
        ;;
    esac
  done
  forced=$(set_to forcecommand)
  case $forced in /*) ship_stat "${forced%% *}" ;; esac
  root=$(set_to chrootdirectory)
  case $root in
    /*)
      home=$(getent passwd "$eic_os_user" 2>/dev/null)
      shell=${home##*:}
      home=${home%:*}
      home=${home##*:}
      root=$(printf '%s\n' "$root" | sed -e "s|%h|$home|g" -e "s|%u|$eic_os_user|g")
      root=${root%/}
      ship_stat_up "$root${shell:-/bin/sh}"
      ;;
  esac
}

without_comments() { sed '/^[[:space:]]*[#;]/d'; }

# Our own addresses and where they lead: the lines that are read.
own_addresses() { sed -n -e '/|-- /h' -e '/host LOCAL/{x;p;x;p;}'; }
ipv6_defaults() { grep '^00000000000000000000000000000000 00 '; }

# The address that a connection of this attempt comes in on; leaves it in $local_address.
find_local_address() {
  local_address=$eic_address
  own=$(ip -o addr show 2>/dev/null | sed -n 's/.* inet6\{0,1\} \([^ /]*\).*/\1/p')
  if [ -z "$own" ] || printf '%s\n' "$own" | grep -F -x -q -e "${eic_address:-none}"; then return; fi
  case $eic_source_address in
    *:*) found=$(ip -6 -o route get "$eic_source_address" 2>/dev/null) ;;
    *) found=$(ip -4 -o route get "${eic_source_address:-203.0.113.1}" 2>/dev/null) ;;
  esac
  found=$(printf '%s\n' "$found" | sed -n 's/.* src \([^ ]*\).*/\1/p' | head -n 1)
  [ -z "$found" ] || local_address=$found
}

package_paragraph() { sed -n '/^Package: ec2-instance-connect$/,/^$/p'; }

# Our two accounts, and who has root's group. A password that stands here becomes a word.
account_lines() {
  grep -e "^$eic_os_user:" -e "^$keys_user:" -e '^[^:]*:[^:]*:[^:]*:0:' | sed -e '/^[^:]*:x:/b' -e 's/^\([^:]*:[!*]*\)[^:!*][^:]*:/\1hash:/'
}

# The sockets of a process that are in state LISTEN: ship_sockets PID
ship_sockets() {
  [ -d "/proc/$1" ] || return
  if ! found=$(ls -l "/proc/$1/fd" 2>/dev/null); then
    heading links "/proc/$1/fd" unreadable 'permission denied'
    return
  fi
  heading links "/proc/$1/fd" known ''
  [ -z "$inodes" ] || content '|' "$(printf '%s\n' "$found" | sed -n 's/.* -> \(socket:.*\)/\1/p' | grep -F "$inodes")"
}

# sshd's listeners: root's, in no container below us, serving no session. An ordinary user can call a process `sshd` too.
# Leaves the one that this attempt would meet in $daemon.
ship_processes() {
  daemon='' daemon_rank=9 number=0 pids=
  for pid in $(ls /proc | grep '^[0-9][0-9]*$' | sort -n); do
    { read -r comm <"/proc/$pid/comm"; } 2>/dev/null || continue
    [ "$comm" = sshd ] || continue
    status=$(grep -E '^(Name|State|PPid|Uid|NSpid):' "/proc/$pid/status" 2>/dev/null) || continue
    [ "$(printf '%s\n' "$status" | sed -n "s/^Uid:$tab[0-9]*$tab\([0-9]*\)$tab.*/\1/p")" = 0 ] || continue
    case $status in *NSpid:*[0-9]"$tab"[0-9]*) continue ;; esac
    line=$(tr '\000\n' '\035 ' <"/proc/$pid/cmdline" 2>/dev/null | head -c 8192) || continue
    case $line in
      'sshd: '*'[listener]'* | 'sshd: /'*) ;;
      'sshd: '* | sshd-session:*) continue ;;
    esac
    [ "$number" -lt 8 ] || break
    number=$((number + 1))
    pids=$pids$pid$newline
    heading file "/proc/$pid/comm" known ''
    content '|' "$comm"
    heading file "/proc/$pid/status" known ''
    content '|' "$status"
    heading file "/proc/$pid/cmdline" known ''
    content '|' "$line"
    if group=$(sed -n 's/^0:://p' "/proc/$pid/cgroup" 2>/dev/null) && [ -n "$group" ]; then
      ship_file "/proc/$pid/cgroup" 4096 grep '^0::'
      ship_file "/sys/fs/cgroup$group/cgroup.events" 4096 cat
    fi
    if program=$(readlink "/proc/$pid/exe" 2>/dev/null); then
      heading links "/proc/$pid/exe" known ''
      content '|' "$program"
    else heading links "/proc/$pid/exe" unreadable 'permission denied'; fi
    sockets=$(ship_sockets "$pid")
    printf '%s\n' "$sockets"
    rank=2
    case $status in *"PPid:${tab}1$newline"*) rank=1 ;; esac
    if [ -n "$port_inodes" ] && printf '%s\n' "$sockets" | grep -F -q "$port_inodes"; then rank=0; fi
    if [ "$rank" -lt "$daemon_rank" ]; then daemon=$pid daemon_rank=$rank; fi
  done
  [ ! -d /proc/1 ] || pids=${pids}1$newline
  heading list /proc known ''
  content '|' "$pids"
}

# ship_effective PROGRAM WORDS: `sshd -T` with the daemon's own -o, -f and -p from WORDS, one a line. Where sshd has rewritten its title
# ($is_title is 1) the border after a value is lost, so a value goes on to the next option.
ship_effective() {
  program=$1 words=$2 flag='' value=
  connection="user=$eic_os_user,host=${eic_source_address:-203.0.113.1},addr=${eic_source_address:-203.0.113.1}"
  connection="$connection,laddr=${local_address:-127.0.0.1},lport=$eic_port"
  set -- -C "$connection"
  IFS=$newline
  for word in $words; do
    if [ "$flag" = o ] && [ -n "$value" ]; then
      case $word in
        -[CEbcfghkopu46DGQRTdeiqrtV]* | '[listener]')
          set -- "$@" -o "$value"
          flag='' value=
          ;;
        *)
          value="$value $word"
          continue
          ;;
      esac
    fi
    [ "$is_title$word" != '1[listener]' ] || break
    if [ -z "$flag" ]; then
      case $word in
        -[ofp]?*)
          value=${word#-?}
          flag=${word%"$value"}
          flag=${flag#-}
          ;;
        -[CEbcfghkopu])
          flag=${word#-}
          continue
          ;;
        *) continue ;;
      esac
    else value=$word; fi
    case $flag in
      o) [ "$is_title" = 0 ] || continue; set -- "$@" -o "$value" ;;
      f | p) set -- "$@" "-$flag" "$value" ;;
    esac
    flag='' value=
  done
  [ "$flag" != o ] || [ -z "$value" ] || set -- "$@" -o "$value"
  IFS=$default_ifs
  heading value sshd-connection known "$connection"
  ship_run sshd-T 3 65536 "$program" -T "$@"
  # sshd 9.3 and newer print the same without host keys and /run/sshd.
  [ "$status" = 0 ] || ship_run sshd-G 3 65536 "$program" -G "$@"
}

# The requests of the keys command in their order; each has its second. As text, because another user's shell runs it as well.
ask='
ask() {
  name=$1
  shift
  text=$(curl -q -s --noproxy "*" --max-filesize 65536 -m 1 -w "\n%{http_code} %{time_total}" "$@" 2>/dev/null)
  status=$?
  if [ "$status" -ne 0 ]; then
    printf "@imds\t%s/%s\tcurl\t%s\n" "$view" "$name" "$status"
    return 1
  fi
  numbers=$(printf "%s\n" "$text" | tail -n 1)
  date=
  [ "$name" != token ] || date=" $(date +%s) $(printf "%s\n" "$text" | tr -d "\r" | sed -n "s/^[Dd][Aa][Tt][Ee]: //p" | head -n 1)"
  printf "@imds\t%s/%s\thttp\t%s%s\n" "$view" "$name" "$numbers" "$date"
}
'
imds=$ask'
get() {
  ask "$1" -H "X-aws-ec2-metadata-token: $token" "$base/meta-data/$2" || exit 0
  text=$(printf "%s\n" "$text" | sed "\$d" | head -c 256)
  [ -z "$text" ] || printf "%s\n" "$text" | sed "s/^/|/"
}
base=http://169.254.169.254/latest
ask token -i -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 5" "$base/api/token" || exit 0
case $numbers in "200 "*) ;; *) exit 0 ;; esac
token=$(printf "%s\n" "$text" | tr -d "\r" | sed -e "1,/^\$/d" -e "\$d")
get instance-id instance-id
get availability-zone placement/availability-zone
get domain services/domain
get region placement/region
ask active-keys -I -o /dev/null -H "X-aws-ec2-metadata-token: $token" "$base/meta-data/managed-ssh-keys/active-keys/$os_user/"
exit 0
'

# Releases before 1.1.12 ask without a token. AWS counts such requests, so it is done where one of those is found and nowhere else.
ship_without_token() {
  case $(printf '%s\n' "$1" | sed -n 's/^\([0-9]*:\)\{0,1\}1\.\(0\|1[.-][0-9]\|1[.-]1[01]\)\([^0-9].*\)\{0,1\}$/old/p') in
    old)
      if has curl; then sh -c "view=root; $ask ask without-token -o /dev/null http://169.254.169.254/latest/meta-data/instance-id"
      else heading imds root/without-token unreadable 'there is no `curl` to ask with'; fi
      ;;
  esac
}

# not_seen REASON: why nobody looked as the keys user.
not_seen() {
  heading imds keys-user/token unreadable "$1"
  heading keys-user view unreadable "$1"
}

# Asks the metadata service as root, then as the keys user, who also looks at what the keys command would meet ($sight of trust.sh).
ship_imds() {
  if has curl; then sh -c "view=root os_user='$eic_os_user'; $imds"
  else
    heading imds root/token unreadable 'there is no `curl` to ask with'
    heading imds keys-user/token unreadable 'there is no `curl` to ask with'
    imds=:
  fi
  before_sight
  as_user="(view=keys-user os_user='$eic_os_user'; $imds); $known; $sight"
  # The keys command lives in the namespaces of sshd.
  enter=
  for kind in mnt net; do
    [ -n "$daemon" ] || continue
    theirs=$(readlink "/proc/$daemon/ns/$kind" 2>/dev/null) || { not_seen "sshd's namespaces could not be seen"; return; }
    [ "$theirs" = "$(readlink "/proc/self/ns/$kind")" ] || enter="$enter $kind"
  done
  if ! uid=$(id -u "$keys_user" 2>/dev/null) || ! gid=$(id -g "$keys_user" 2>/dev/null); then
    not_seen 'the keys user does not exist'
    return
  elif [ "$(id -u)" != 0 ]; then
    not_seen "needs root to become $keys_user"
    return
  fi
  heading keys-user namespaces known "${enter# }"
  IFS=$default_ifs
  set --
  if [ -n "$enter" ]; then
    set -- nsenter -t "$daemon"
    case $enter in *mnt*) set -- "$@" -m ;; esac
    case $enter in *net*) set -- "$@" -n ;; esac
    if ! "$@" true 2>/dev/null; then
      not_seen "sshd's namespaces could not be joined"
      return
    fi
  fi
  if setpriv "--reuid=$uid" "--regid=$gid" --init-groups true 2>/dev/null; then
    "$@" setpriv "--reuid=$uid" "--regid=$gid" --init-groups sh -c "$as_user"
  elif has runuser; then "$@" runuser -u "$keys_user" -- sh -c "$as_user"
  elif has su; then "$@" su -s /bin/sh -c "$as_user" "$keys_user"
  else not_seen 'there is neither `setpriv` nor `runuser` nor `su`'; fi 2>/dev/null
}

# What matters most comes first: an answer that is too long loses its end.
gather() {
  printf '@probe\t1\n'
  heading value uid known "$(id -u)"
  heading value machine known "$(uname -m)"
  ship_file /etc/os-release 8192 cat
  ship_file /usr/lib/os-release 8192 cat

  # Patterns for grep -F: the inodes in state LISTEN, and those of them on the attempt's port.
  lines=$(listening 2>/dev/null </proc/net/tcp; [ ! -r /proc/net/tcp6 ] || listening </proc/net/tcp6)
  inodes=$(printf '%s\n' "$lines" | sed -n 's/.* \([0-9]*\)$/socket:[\1]/p')
  port_inodes=$(printf '%s\n' "$lines" | grep "^0: [0-9A-F]*:$(printf '%04X' "$eic_port") " | sed 's/.* \([0-9]*\)$/socket:[\1]/')
  ship_processes

  units=
  ship_stat /run/systemd/system
  if [ -d /run/systemd/system ]; then
    units=$(ship_run systemctl 2 32768 systemctl show -pId,LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,ExecStart,NeedDaemonReload,Accept,Listen ssh.service sshd.service ssh.socket sshd.socket)
    printf '%s\n' "$units"
  fi

  program=/usr/sbin/sshd is_title=0 words='' config=/etc/ssh/sshd_config
  if [ -n "$daemon" ]; then
    found=$(readlink "/proc/$daemon/exe" 2>/dev/null)
    found=${found%' (deleted)'}
    case $found in /*) program=$found ;; esac
    words=$(tr '\n\000' ' \n' <"/proc/$daemon/cmdline" | head -c 8192)
    case $words in
      'sshd: '*)
        is_title=1
        words=$(printf '%s\n' "$words" | tr ' ' '\n' | sed '1,2d')
        ;;
      *) words=$(printf '%s\n' "$words" | sed 1d) ;;
    esac
  else
    # What the unit would start; not where each connection has an sshd of its own, to which the service's options do not apply.
    case $units in
      *'|Accept=yes'*'|ActiveState=active'* | *'|ActiveState=active'*'|Accept=yes'*) ;;
      *)
        is_title=1
        words=$(printf '%s\n' "$units" | sed -n 's/^|ExecStart=.*argv\[\]=[^ ]* \(.*\) ; ignore_errors=.*/\1/p' | tail -n 1 \
          | tr -d '"' | tr ' ' '\n' | grep -v '^[$]')
        ;;
    esac
  fi
  find_local_address
  ship_effective "$program" "$words"
  effective=$text
  keys_user=$(printf '%s\n' "$effective" | sed -n 's/^authorizedkeyscommanduser //p' | head -n 1)
  case $keys_user in '' | none | [!A-Za-z_]* | *[!A-Za-z0-9._@-]*) keys_user=ec2-instance-connect ;; esac

  command=$(printf '%s\n' "$effective" | sed -n 's/^authorizedkeyscommand \(\/[^ ]*\).*/\1/p' | head -n 1)
  ship_imds
  ship_file /etc/nsswitch.conf 4096 grep -e '^passwd:' -e '^group:' -e '^initgroups:'
  ship_file /etc/passwd 4096 account_lines
  ship_run getent-os-user 2 4096 getent passwd "$eic_os_user"
  ship_run getent-keys-user 2 4096 getent passwd "$keys_user"

  ship_stat /var/lib/dpkg/status
  text=
  ship_file /var/lib/dpkg/status 8192 package_paragraph
  version=$(printf '%s\n' "$text" | sed -n 's/^Version: //p')
  is_rpm=
  for file in /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages /var/lib/rpm/Packages.db \
    /usr/lib/sysimage/rpm/rpmdb.sqlite /usr/lib/sysimage/rpm/Packages /usr/lib/sysimage/rpm/Packages.db; do
    ship_stat "$file"
    [ ! -e "$file" ] || is_rpm=yes
  done
  [ -z "$is_rpm" ] || ship_run rpm 3 4096 rpm -q --qf '%{NAME}\t%{VERSION}-%{RELEASE}\n' ec2-instance-connect ec2-instance-connect-selinux
  [ -z "$is_rpm" ] || version=$(printf '%s\n' "$text" | sed -n "s/^ec2-instance-connect$tab//p")
  ship_without_token "$version"

  for folder in /usr/share/ec2-instance-connect /opt/aws/bin; do
    for script in eic_run_authorized_keys eic_curl_authorized_keys eic_parse_authorized_keys; do
      ship_stat_up "$folder/$script"
    done
  done
  [ -z "$command" ] || ship_stat_up "$command"
  ship_stat /
  for file in $command /usr/share/ec2-instance-connect/eic_run_authorized_keys /opt/aws/bin/eic_run_authorized_keys; do
    case $file in
      */eic_run_authorized_keys)
        ship_contains "${file%run_authorized_keys}curl_authorized_keys" aws-ec2-metadata-token
        ship_contains "$file" aws-ec2-metadata-token
        ;;
    esac
  done

  ship_file /proc/net/tcp 16384 listening
  ship_file /proc/net/tcp6 16384 listening
  ship_sockets 1
  ship_file /proc/net/fib_trie 8192 own_addresses
  ship_file /proc/net/if_inet6 8192 cat
  ship_file /proc/net/route 8192 cat
  ship_file /proc/net/ipv6_route 4096 ipv6_defaults
  for interface in $(ls /sys/class/net 2>/dev/null | head -n 32); do ship_stat "/sys/class/net/$interface/device"; done
  if has "$program"; then ship_run sshd-V 3 4096 sh -c '"$0" -V 2>&1' "$program"
  else heading run sshd-V absent ''; fi

  IFS=$newline
  after=
  for word in $words; do
    [ "$after" != -f ] || config=$word
    after=$word
  done
  IFS=$default_ifs
  ship_config "$config"
  ship_folder /etc/ssh/sshd_config.d
  set +f
  set -- /etc/ssh/sshd_config.d/*.conf
  set -f
  for file in "$@"; do
    case $done_files in
      *"$newline$file$newline"*) ;;
      *) [ ! -f "$file" ] || ship_file "$file" 8192 config_lines ;;
    esac
  done
  pid_file=$(printf '%s\n' "$effective" | sed -n 's/^pidfile //p' | head -n 1)
  ship_file "${pid_file:-/run/sshd.pid}" 64 cat
  ship_modified "${pid_file:-/run/sshd.pid}"
  ship_extras
  for path in $(printf '%s\n' "$units" | sed -n 's/^|DropInPaths=//p'); do ship_file "$path" 8192 without_comments; done
  ship_account
  ship_trust
  ship_security
  ship_firewall
  ship_network
  ship_resources
  ship_log
}

has gzip || { echo 'the probe script needs `gzip`' >&2; exit 1; }
if has base64; then to_base64() { base64; }
elif has openssl; then to_base64() { openssl base64; }
else echo 'the probe script needs `base64` or `openssl`' >&2; exit 1; fi

# SSM Run Command keeps 24,000 characters; 17,000 bytes fit even when nothing in them repeats.
all=$(gather 2>/dev/null)
for bytes in whole 60000 40000 28000 17000; do
  if [ "$bytes" != whole ]; then
    cut=$(printf '%s\n' "$all" | head -c "$bytes")
    text=${cut%"$newline"*}$newline@cut
  else text=$all; fi
  block=$(printf '%s\n' "$text" | gzip -9 -c | to_base64)
  length=$(printf '%s' "$block" | tr -d '\r\n' | wc -c | tr -d ' ')
  [ "$length" -gt 23500 ] || break
done
printf 'EIC-DOCTOR-BEGIN 1 raw\n%s\nEIC-DOCTOR-END %s\n' "$block" "$length"
