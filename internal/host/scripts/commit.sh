#!/bin/sh
# Makes the candidate the configuration. Arguments: the paths of the configuration and of the candidate; the candidate's
# SHA-256; "backup" to keep the previous file as somebody else's; "former" to keep it until the next change; the SHA-256 that the
# previous file must have, or "-" if there must be none; the path of the candidate's map file, empty if it has none, and its SHA-256.
# Payload: the server state.
# Output: the SHA-256 of the configuration, and that of its map file, read back. Exit: 3 if the payload is incomplete, 4 if the
# previous file is not the expected one, or if somebody else has removed the candidate; otherwise not 0 if the configuration was
# not changed.
config=${1:?} new=${2:?} want=${3:?} backup=$4 former=$5 expected=${6:?} names=$7 wantnames=$8
set -e
umask 022
copy=$config.edgelb-copy-$$
clean_up() {
	for left in "$new" "$new.names" "$copy"; do
		[ ! -e "$left" ] || rm -f "$left"
	done
}
trap clean_up EXIT

newline='
'
# Reads the hashes of some files at once, since a process for each costs more than the rest. sum_of sets sum to that of one of them, "-" if
# it could not be read. Paths hold no blank here.
read_sums() { sums=$newline$(sha256sum "$@" 2>/dev/null)$newline || :; }
sum_of() {
	case $sums in
	*"  $1$newline"*) sum=${sums%%"  $1$newline"*} sum=${sum##*"$newline"} ;;
	*) sum=- ;;
	esac
}
# Writes a copy and renames it: a file appears under its name only when it is complete.
keep() {
	cp -p "$1" "$copy"
	sync "$copy" 2>/dev/null || sync
	mv -f "$copy" "$2"
}
# Keeps a file of somebody else's. Of several, the last and the first stay: what edgelb has replaced most recently, and what the host
# once had. An attempt whose connection broke may have kept it already.
keep_foreign() {
	before=$config.before-edgelb
	if [ -e "$before" ]; then
		read_sums "$before" "$config"
		sum_of "$before"
		kept=$sum
		sum_of "$config"
		[ "$kept" != "$sum" ] || return 0
		[ -e "$before-first" ] || mv "$before" "$before-first"
	fi
	keep "$config" "$before"
}
# The following say what was read last.
is_expected() {
	if [ ! -s "$config" ]; then
		[ "$expected" = - ]
	else
		sum_of "$config"
		[ "$sum" != - ] && [ "$sum" = "$expected" ]
	fi
}
has_names() {
	[ -z "$names" ] || { sum_of "$names" && [ "$sum" = "$wantnames" ]; }
}
read_sums "$config" ${names:+"$names"}
is_expected || exit 4
cat >"$copy"
# shellcheck disable=SC2154 # the loader has set it
[ "$(wc -c <"$copy")" -eq "$payload_size" ] || exit 3
mv -f "$copy" "$config.edgelb-state"
[ "$backup" != backup ] || keep_foreign
if [ "$former" = former ]; then
	keep "$config" "$config.edgelb-former"
	rm -f "$config.edgelb-former-names"
	# A previous file of the same structure has its map file where the candidate's must go.
	if ! has_names && [ -e "$names" ] && grep -qF -- "$names" "$config"; then
		keep "$names" "$config.edgelb-former-names"
	fi
fi
# Keeping files takes a while on a slow disk, and another attempt, whose connection broke, may still run.
read_sums "$config" "$new" ${names:+"$names" "$new.names"}
is_expected || exit 4
sum_of "$new"
[ "$sum" != - ] || exit 4
[ "$sum" = "$want" ]
if [ -n "$names" ]; then
	sum_of "$new.names"
	[ "$sum" != - ] || exit 4
	[ "$sum" = "$wantnames" ]
fi
# A HAProxy that is started at this moment finds the map file of its own structure, new or not.
has_names || keep "$new.names" "$names"
mv -f "$new" "$config"
read_sums "$config" ${names:+"$names"}
# Until the configuration named the map file, another attempt may have removed it as unused.
if ! has_names; then
	keep "$new.names" "$names"
	read_sums "$config" "$names"
fi
sync "$config" 2>/dev/null || sync || :
for old in "$config".edgelb-names-*; do
	[ "$old" = "$names" ] || grep -qsF -- "$old" "$config" "$config.edgelb-former" || rm -f "$old"
done
# Another attempt may have changed something at last.
read_sums "$config" ${names:+"$names"}
for file in "$config" ${names:+"$names"}; do
	sum_of "$file"
	printf '%s\n' "$sum"
done
