#!/bin/sh
# Restores the previous configuration. Arguments: its path; "former" to restore the file that was kept, "none" to remove the
# configuration. Exit: 0 if that was done.
config=${1:?} how=${2:?}
set -e
copy=$config.edgelb-copy-$$
trap 'rm -f "$copy"' EXIT

put() {
	cp -p "$1" "$copy"
	mv -f "$copy" "$2"
	sync "$2" 2>/dev/null || sync
}
# Prints a hash from the previous file's header; empty if there is none. The file may be somebody else's.
hash_of() {
	value=$(sed -n "1,12s/^# $1: //p" "$config.edgelb-former")
	case $value in *[!0-9a-f]*) value= ;; esac
	printf '%s\n' "$value"
}
case $how in
former)
	# The map file of a previous file of the same structure was kept, since another one has taken its place.
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
