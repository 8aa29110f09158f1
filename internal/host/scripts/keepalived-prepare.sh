#!/bin/sh
# Puts in place what keepalived needs besides its configuration. Arguments: edgelb's folder; the folder for the results of the check, and the
# account that runs it; "1" to have the host give up its addresses and take none, "0" for the opposite.
# Exit: 0 if that was done.
folder=${1:?} results=${2:?} user=${3:?} maintenance=${4:?}
set -e
umask 022
mkdir -p "$folder"
chmod 755 "$folder"
# keepalived notices a file that replaces another one. Of a full disk, cat says more than some shells' printf.
printf '%s\n' "$maintenance" | cat >"$folder/maintenance.new"
sync "$folder/maintenance.new" 2>/dev/null || sync
mv -f "$folder/maintenance.new" "$folder/maintenance"
[ -d "$results" ] || mkdir "$results"
chown -h "$user" "$results"
