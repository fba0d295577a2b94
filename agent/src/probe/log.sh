# The last login attempts as the host's log tells them. Functions only; `probe.sh` calls them.

ship_log() { :; }
