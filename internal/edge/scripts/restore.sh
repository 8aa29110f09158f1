#!/bin/sh
# Takes the configuration back. Input: its path; "former" to put the file back that was kept, "none" to have no file again.
# Exit: 0 if that was done.
IFS= read -r config
IFS= read -r how
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
esac
