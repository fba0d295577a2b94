# Security modules and policies: SELinux, FIPS mode, system-wide crypto policies. Functions only; `probe.sh` calls them.

ship_security() { :; }
