# Disk, memory, processors and numbers of tasks. Functions only; `probe.sh` calls them.

# ship_space FOLDER
ship_space() {
  # One that is read-only has no room to speak of; only root's `-w` says so.
  if [ ! -d "$1" ] || { [ "$(id -u)" = 0 ] && [ ! -w "$1" ]; }; then heading space "$1" absent ''
  elif numbers=$(stat -f -c '%S %b %a %c %d' "$1" 2>/dev/null); then heading space "$1" known "$numbers"
  else heading space "$1" unreadable 'there is no `stat -f`'; fi
}

ship_resources() {
  for folder in / /var /tmp /run; do ship_space "$folder"; done
  ship_file /proc/meminfo 1024 grep -E '^(MemTotal|MemAvailable|SwapFree):'
  ship_file /proc/loadavg 256 cat
  ship_file /sys/devices/system/cpu/online 256 cat
  for file in cpu memory io; do ship_file "/proc/pressure/$file" 512 cat; done
  ship_file /proc/vmstat 256 grep '^oom_kill '
  ship_file /proc/sys/kernel/pid_max 64 cat
  ship_file /proc/sys/kernel/threads-max 64 cat
  [ -n "$daemon" ] || return
  ship_file "/proc/$daemon/cgroup" 2048 grep -E '^0::|:pids:|:pids,|,pids:|,pids,'
  for group in $(sed -n -e 's/^0:://p' -e 's/^[0-9]*:\(.*,\)\{0,1\}pids\(,.*\)\{0,1\}:/\/pids/p' "/proc/$daemon/cgroup" 2>/dev/null); do
    case $group in *..*) continue ;; esac
    group=${group%/}
    while :; do
      if [ -f "/sys/fs/cgroup$group/pids.max" ]; then
        ship_file "/sys/fs/cgroup$group/pids.max" 64 cat
        ship_file "/sys/fs/cgroup$group/pids.current" 64 cat
      fi
      case $group in */*) group=${group%/*} ;; *) break ;; esac
    done
  done
}
