# The instance's own addresses and routes. Functions only; `probe.sh` calls them.

ship_network() {
  ship_run ip-address 2 32768 ip -o addr show
  ship_run ip-rule 2 16384 ip -4 rule show
  ship_run ip-6-rule 2 16384 ip -6 rule show
  ship_run ip-route 2 65536 ip -4 route show table all
  ship_run ip-6-route 2 65536 ip -6 route show table all

  names=$(ls /sys/class/net 2>/dev/null | grep '^[A-Za-z][A-Za-z0-9_.-]*$' | head -n 64)
  heading list /sys/class/net known ''
  content '|' "$names"
  ena=
  for name in $names; do
    driver=$(readlink "/sys/class/net/$name/device/driver" 2>/dev/null) || continue
    heading links "/sys/class/net/$name/device/driver" known ''
    content '|' "$driver"
    case $driver in */ena) ena="$ena $name" ;; esac
  done
  # The one that the default route leads out by, else the first.
  default=$(ip route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
  first=
  for name in $ena; do
    : "${first:=$name}"
    [ "$name" != "$default" ] || first=$name
  done
  [ -z "$first" ] || ship_run ethtool 2 65536 ethtool -S "$first"
}
