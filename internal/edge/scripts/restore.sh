#!/bin/sh
# Takes the configuration back. Arguments: its path; "former" to put the file back that was kept, "none" to have no file again.
# Exit: 0 if that was done.
config=${1:?} how=${2:?}
set -e
copy=$config.edgelb-copy-$$
trap 'rm -f "$copy"' EXIT

put() {
	cp -p "$1" "$copy"
	mv -f "$copy" "$2"
	sync "$2" 2>/dev/null || sync
}
# A hash in the former file's header; empty if it is none. The file may be somebody else's.
hash_of() {
	value=$(sed -n "1,12s/^# $1: //p" "$config.edgelb-former")
	case $value in *[!0-9a-f]*) value= ;; esac
	printf '%s\n' "$value"
}
case $how in
former)
	# The names of a former file of the same structure were kept, since others have taken their place.
	sum=$(sha256sum <"$config.edgelb-former-names" 2>/dev/null) || sum=-
	structure=$(hash_of structure | cut -c 1-16)
	if [ -n "$structure" ] && [ "${sum%% *}" = "$(hash_of names)" ]; then
		put "$config.edgelb-former-names" "$config.edgelb-names-$structure"
	fi
	put "$config.edgelb-former" "$config"
	;;
none) rm -f "$config" ;;
*) exit 2 ;;
esac
