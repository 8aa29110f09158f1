#!/bin/sh
# Makes the candidate the configuration. Input: the configuration's path; "backup" to keep the former file for good;
# "former" to keep it until the next change; then the state of the servers. Exit: 3 if the configuration was not changed.
IFS= read -r config
IFS= read -r backup
IFS= read -r former
set -e
umask 022
trap '[ $? = 0 ] || { rm -f "$config.edgelb-new" "$config.edgelb-copy"; exit 3; }' EXIT

# Every file appears under its name only when it is whole.
cat >"$config.edgelb-copy"
mv -f "$config.edgelb-copy" "$config.edgelb-state"
if [ "$backup" = backup ] && [ ! -e "$config.before-edgelb" ]; then
	cp -p "$config" "$config.edgelb-copy"
	mv -f "$config.edgelb-copy" "$config.before-edgelb"
fi
if [ "$former" = former ]; then
	cp -p "$config" "$config.edgelb-copy"
	mv -f "$config.edgelb-copy" "$config.edgelb-former"
fi
sync
mv -f "$config.edgelb-new" "$config"
sync "$config" 2>/dev/null || sync
sum=$(sha256sum "$config")
echo "${sum%% *}"
