# The instance's own addresses and routes. Functions only; `probe.sh` calls them.

ship_network() { :; }
