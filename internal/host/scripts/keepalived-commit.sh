#!/bin/sh
# Makes the candidate keepalived's configuration. Arguments: the paths of the configuration and of the candidate; the candidate's SHA-256;
# "backup" to keep the previous file as somebody else's; "former" to keep it until the next change; the SHA-256 that the previous file must
# have, or "-" if there must be none; edgelb's folder.
# Output: the SHA-256 of the configuration, read back. Exit: 4 if the previous file is not the expected one, or if somebody else has removed
# the candidate; otherwise not 0 if the configuration was not changed.
config=${1:?} new=${2:?} want=${3:?} backup=$4 former=$5 expected=${6:?} folder=${7:?}
set -e
umask 022
copy=$config.edgelb-copy-$$
trap 'rm -f "$new" "$copy"' EXIT

sum() {
	line=$(sha256sum <"$1")
	printf '%s\n' "${line%% *}"
}
# Writes a copy and renames it: a file appears under its name only when it is complete.
keep() {
	cp -p "$1" "$copy"
	sync "$copy" 2>/dev/null || sync
	mv -f "$copy" "$2"
}
# Of several files of somebody else's, the last and the first stay, as in commit.sh.
keep_foreign() {
	before=$config.before-edgelb
	if [ -e "$before" ]; then
		[ "$(sum "$before")" != "$(sum "$config")" ] || return 0
		[ -e "$before-first" ] || mv "$before" "$before-first"
	fi
	keep "$config" "$before"
}
is_expected() {
	if [ -s "$config" ]; then [ "$(sum "$config")" = "$expected" ]; else [ "$expected" = - ]; fi
}
is_expected || exit 4
[ "$backup" != backup ] || keep_foreign
[ "$former" != former ] || keep "$config" "$config.edgelb-former"
[ -e "$new" ] || exit 4
# Another attempt, whose connection broke, may still run.
[ "$(sum "$new")" = "$want" ]
# Keeping files takes a while on a slow disk.
is_expected || exit 4
mv -f "$new" "$config"
sync "$config" 2>/dev/null || sync || :
for script in "$folder"/check-*.sh "$folder"/notify-*.sh; do
	grep -qF -- "$script" "$config" "$config.edgelb-former" 2>/dev/null || rm -f "$script"
done
! command -v restorecon >/dev/null || restorecon -R "$config" "$folder" 2>/dev/null || :
sum "$config"
