#!/bin/sh
# Puts a candidate beside the configuration and lets HAProxy check it. Arguments: the paths of the configuration, of HAProxy and
# of the candidate, the candidate's size in bytes; the path of its map file, empty if it has none. Payload: the candidate, and
# the map file. HAProxy must find a map file where the candidate says; an existing one stays for now.
# Exit: 0 good, 1 refused by HAProxy (its output on stderr), 3 cannot be written, 4 somebody else has removed the candidate or
# its map file.
config=${1:?} program=${2:?} new=${3:?} size=${4:?} names=$5
umask 022
placed=''
withdraw() {
	rm -f "$new" "$new.names" "$new.text"
	[ -z "$placed" ] || grep -qF -- "$names" "$config" 2>/dev/null || rm -f "$names"
	exit "$1"
}
part() {
	tail -c "+$((size + 1))" "$new" >"$new.names" && head -c "$size" "$new" >"$new.text" && mv -f "$new.text" "$new"
}
# Remove the leftovers of broken attempts: those for the same host, whose names differ in the last 16 letters only, at once.
# Others may still be in use, but not for long.
for old in "${new%????????????????}"*; do
	[ ! -e "$old" ] || rm -f "$old"
done
for old in "$config".edgelb-new-* "$config".edgelb-copy-*; do
	[ -e "$old" ] || continue
	find "${config%/*}" -maxdepth 1 \( -name "${config##*/}.edgelb-new-*" -o -name "${config##*/}.edgelb-copy-*" \) -mmin +10 \
		-exec rm -f {} + 2>/dev/null
	break
done
cat >"$new" || withdraw 3
# The size is less if the connection broke in the middle.
# shellcheck disable=SC2154 # the loader has set it
[ "$(wc -c <"$new")" -eq "$payload_size" ] || withdraw 3
if [ -n "$names" ]; then
	part || withdraw 3
	# ln replaces no existing file.
	[ -e "$names" ] || { ln "$new.names" "$names" && placed=yes; } || [ -e "$names" ] || withdraw 3
fi
sync "$new" ${names:+"$new.names"} 2>/dev/null || sync || withdraw 3
"$program" -c -f "$new" >&2 && exit 0
[ -e "$new" ] || exit 4
[ -z "$names" ] || [ -e "$names" ] || withdraw 4
withdraw 1
