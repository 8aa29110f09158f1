#!/bin/sh
# Restores keepalived's previous configuration. Arguments: its path; "former" to restore the file that was kept, "none" to remove the
# configuration. Exit: 0 if that was done.
config=${1:?} how=${2:?}
set -e
copy=$config.edgelb-copy-$$
trap 'rm -f "$copy"' EXIT
case $how in
former)
	cp -p "$config.edgelb-former" "$copy"
	mv -f "$copy" "$config"
	sync "$config" 2>/dev/null || sync
	;;
none) rm -f "$config" ;;
*) exit 2 ;;
esac
