#!/bin/sh
# Takes the configuration back. Input: its path; "former" to put the file back that was kept, "none" to have no file again.
# Exit: 0 if that was done.
IFS= read -r config
IFS= read -r how
set -e
copy=$config.edgelb-copy-$$
trap 'rm -f "$copy"' EXIT

put() {
	cp -p "$1" "$copy"
	mv -f "$copy" "$2"
	sync "$2" 2>/dev/null || sync
}
field() {
	sed -n "1,12s/^# $1: //p" "$config.edgelb-former"
}
case $how in
former)
	# The names of a former file of the same structure were kept, since others have taken their place.
	sum=$(sha256sum "$config.edgelb-former-names" 2>/dev/null) || sum=-
	if [ "${sum%% *}" = "$(field names)" ]; then
		put "$config.edgelb-former-names" "$config.edgelb-names-$(field structure | cut -c 1-16)"
	fi
	put "$config.edgelb-former" "$config"
	;;
none) rm -f "$config" ;;
esac
