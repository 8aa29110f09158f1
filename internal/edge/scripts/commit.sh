#!/bin/sh
# Makes the candidate the configuration. Input: the paths of the configuration and of the candidate; the candidate's SHA-256;
# "backup" to keep the former file for good; "former" to keep it until the next change; the SHA-256 that the former file must
# have, or "-" if there must be none; then the state of the servers.
# Output: the configuration's SHA-256, read back. Exit: 4 if the former file is another one, or if somebody else is at work and
# has taken the candidate away; otherwise not 0 if the configuration was not changed.
IFS= read -r config
IFS= read -r new
IFS= read -r want
IFS= read -r backup
IFS= read -r former
IFS= read -r expected
set -e
umask 022
copy=$config.edgelb-copy-$$
trap 'rm -f "$new" "$copy"' EXIT

sum() {
	line=$(sha256sum "$1")
	echo "${line%% *}"
}
# A file appears under its name only when it is whole.
keep() {
	cp -p "$config" "$copy"
	sync "$copy" 2>/dev/null || sync
	mv -f "$copy" "$1"
}
is_expected() {
	if [ -s "$config" ]; then [ "$(sum "$config")" = "$expected" ]; else [ "$expected" = - ]; fi
}
is_expected || exit 4
cat >"$copy"
mv -f "$copy" "$config.edgelb-state"
[ "$backup" != backup ] || [ -e "$config.before-edgelb" ] || keep "$config.before-edgelb"
[ "$former" != former ] || keep "$config.edgelb-former"
[ -e "$new" ] || exit 4
# Another attempt, whose connection broke, may still be at work.
[ "$(sum "$new")" = "$want" ]
# To keep files takes a while on a slow disk.
is_expected || exit 4
mv -f "$new" "$config"
sync "$config" 2>/dev/null || sync || :
sum "$config"
