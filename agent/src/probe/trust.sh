# What the keys command trusts and calls: its files, tools, /dev/shm, the log, its certificate authority, OpenSSL. Functions, and a text
# that the keys user's shell runs; `probe.sh` calls them.

# Run as the keys user, after assignments of $files, $interpreters, $has_folder, $has_link and $has_bundle, which root knows.
sight='
see() { printf "@keys-user\t%s\t%s\t%s\n" "$1" "$2" "$3"; }
can() {
  if [ ! -e "$1" ] && [ "$2" != there ]; then
    printf "|absent\t%s\t\t\n" "$1"
    return
  fi
  letters= interpreter=
  if [ -r "$1" ]; then
    letters=r
    case $1 in /sys/*) ;; *) interpreter=$(head -n 1 "$1" | head -c 256 | tr -d "\000" | sed -n "s/^#![ $tab]*\([^ $tab]*\).*/\1/p") ;; esac
  fi
  [ ! -x "$1" ] || letters=${letters}x
  printf "|%s\t%s\t%s\t\n" "${letters:--}" "$1" "$interpreter"
  case $interpreter in "" | /bin/sh) ;; *) can "$interpreter" maybe ;; esac
}
tab=$(printf "\t")
see files known
for file in $files; do can "$file" there; done
can /bin/sh maybe
see tools known
libraries=
for tool in curl openssl ssh-keygen logger base64 awk mktemp timeout head grep sed cut cat id seq find tr wc chmod cp touch date \
  printf echo dirname rm mv; do
  line=$tool first=
  for folder in /usr/local/bin /usr/bin /bin /usr/games; do
    [ -f "$folder/$tool" ] || continue
    if [ -x "$folder/$tool" ]; then
      line="$line +$folder" first=${first:-$folder/$tool}
    else line="$line -$folder"; fi
  done
  if [ -n "$first" ] && program=$(readlink -f "$first") && [ "${program##*/}" != "$tool" ]; then line="$line =${program##*/}"; fi
  printf "|%s\n" "$line"
  [ -z "$first" ] || said=$(: | "$first" --version 2>&1)
  case $said in
    *"error while loading shared libraries: "*)
      said=${said#*shared libraries: } library=
      for folder in /lib64 /usr/lib64 /lib/*-linux-gnu /usr/lib/*-linux-gnu; do
        [ ! -e "$folder/${said%%:*}" ] || library=$(readlink -f "$folder/${said%%:*}")
      done
      libraries="$libraries|$tool ${said%%:*} ${library:+denied }${library:-missing}
"
      ;;
  esac
  said=
done
see libraries known
printf "%s" "$libraries"
if [ ! -e /dev/null ]; then see null-device absent
else
  kind=other-
  if [ -c /dev/null ] && [ "$(stat -c %t:%T /dev/null)" = 1:3 ]; then kind=; fi
  if [ -w /dev/null ]; then see null-device known "${kind}writable"; else see null-device known "${kind}denied"; fi
fi
if [ -d /dev/shm ]; then
  writable=no mount=rw
  if [ -w /dev/shm ] && [ -x /dev/shm ]; then writable=yes; fi
  case $(grep " /dev/shm " /proc/self/mounts | tail -n 1) in *" /dev/shm "*" ro,"*) mount=ro ;; esac
  see shared-memory known "$(stat -c %a /dev/shm) $writable $mount $(stat -f -c "%S %b %a %c %d" /dev/shm)"
else see shared-memory absent; fi
if [ ! -e /dev/log ]; then see dev-log absent
elif [ ! -S /dev/log ]; then see dev-log known no-socket
elif [ ! -w /dev/log ]; then see dev-log known denied
elif [ "$has_own_network" = yes ]; then see dev-log unreadable "sshd has a network of its own"
elif grep -q -e " $(readlink -f /dev/log)\$" -e " /dev/log\$" /proc/net/unix; then see dev-log known listening
else see dev-log known refused; fi
first_line() {
  if [ -r "$2" ]; then see "$1" known "$(head -n 1 "$2" | head -c 64)"
  elif [ -e "$2" ]; then see "$1" unreadable "permission denied"
  else see "$1" absent; fi
}
first_line hypervisor-uuid /sys/hypervisor/uuid
first_line board-asset-tag /sys/devices/virtual/dmi/id/board_asset_tag
amazon=MIIDQTCCAimgAwIBAgITBmyfz5m/jAo54vB4ikPmljZbyjANBgkqhkiG9w0BAQsF
starfield=MIID7zCCAtegAwIBAgIBADANBgkqhkiG9w0BAQsFADCBmDELMAkGA1UEBhMCVVMx
by_hash() {
  for number in 0 1 2; do
    link=/etc/ssl/certs/$1.$number
    [ -e "$link" ] || break
    if [ ! -r "$link" ]; then echo denied; return; fi
    if grep -q "$3" "$link"; then echo found; return; fi
  done
  if grep -q "$3" "/etc/ssl/certs/$2"; then echo without-link
  elif [ "$4" = yes ]; then echo denied
  else echo missing; fi
}
if [ "$has_folder" != yes ]; then see certificates-folder absent
elif [ ! -x /etc/ssl/certs ]; then see certificates-folder known "denied denied"
else
  see certificates-folder known "$(by_hash ce5e74ef Amazon_Root_CA_1.pem "$amazon" "$has_link") $(by_hash 09789157 \
    Starfield_Services_Root_Certificate_Authority_-_G2.pem "$starfield" no)"
fi
bundle=/etc/ssl/certs/ca-bundle.crt
in_bundle() { if grep -q "$1" "$bundle"; then echo found; else echo missing; fi; }
if [ "$has_bundle" != yes ]; then see certificates-bundle absent
elif [ ! -r "$bundle" ]; then see certificates-bundle known "denied denied"
else see certificates-bundle known "$(in_bundle "$amazon") $(in_bundle "$starfield")"; fi
'

# Leaves in $known what root knows of the files that the keys user may not even see.
before_sight() {
  files= has_folder=no has_link=no has_bundle=no has_own_network=no
  for file in /usr/share/ec2-instance-connect/eic_run_authorized_keys /usr/share/ec2-instance-connect/eic_curl_authorized_keys \
    /usr/share/ec2-instance-connect/eic_parse_authorized_keys /opt/aws/bin/eic_run_authorized_keys \
    /opt/aws/bin/eic_curl_authorized_keys /opt/aws/bin/eic_parse_authorized_keys "$command" /etc/passwd /sys/hypervisor/uuid \
    /sys/devices/virtual/dmi/id/board_asset_tag; do
    case $file in *[!A-Za-z0-9/._-]*) continue ;; esac
    [ ! -e "$file" ] || case " $files " in *" $file "*) ;; *) files="$files $file" ;; esac
  done
  [ ! -d /etc/ssl/certs ] || has_folder=yes
  [ ! -r /etc/ssl/certs/ce5e74ef.0 ] || has_link=yes
  [ ! -f /etc/ssl/certs/ca-bundle.crt ] || has_bundle=yes
  if [ -n "$daemon" ] && [ "$(readlink "/proc/$daemon/ns/net" 2>/dev/null)" != "$(readlink /proc/self/ns/net)" ]; then has_own_network=yes; fi
  known="files='$files' has_folder=$has_folder has_link=$has_link has_bundle=$has_bundle has_own_network=$has_own_network"
}

fingerprint_lines() { grep -i 'sha1 fingerprint'; }

ship_trust() {
  for path in /etc/ssl/certs /etc/ssl/certs/ca-bundle.crt /etc/ssl/certs/ce5e74ef.0 \
    /usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt; do
    ship_stat_up "$path"
    [ ! -h "$path" ] || ship_stat_up "$(readlink -f "$path" 2>/dev/null)"
  done
  ship_stat_up /usr/bin
  ship_stat_up /bin
  ship_file /etc/ca-certificates.conf 256 grep -x '!mozilla/Amazon_Root_CA_1.crt'
  ship_stat /dev/log
  ship_stat /run/systemd/journal/dev-log
  if [ ! -e /usr/bin/openssl ]; then heading texts '/usr/bin/openssl libcrypto.so.' absent ''
  else
    names=$(tr '\000' '\n' </usr/bin/openssl | grep -a '^libcrypto\.so\.[0-9.]*$' | head -n 4)
    heading texts '/usr/bin/openssl libcrypto.so.' known ''
    content '|' "$names"
  fi
  for path in $files; do
    real=$(readlink -f "$path" 2>/dev/null)
    [ "$real" = "$path" ] || ship_stat_up "${real:-$path}"
    case $path in */eic_parse_authorized_keys) ship_file "$path" 2048 fingerprint_lines ;; esac
  done
  for folder in /usr/share/ec2-instance-connect /opt/aws/bin; do
    [ -e "$folder/eic_parse_authorized_keys" ] || heading file "$folder/eic_parse_authorized_keys" absent ''
  done
}
