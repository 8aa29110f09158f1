#!/bin/sh
# Puts a candidate beside the configuration and lets HAProxy check it. Input: the paths of the configuration, of HAProxy and
# of the candidate, the candidate's size in bytes, the candidate. Exit: 0 good, 1 refused by HAProxy (its words on stderr),
# 3 cannot be written, 4 somebody else is at work and has taken the candidate away.
IFS= read -r config
IFS= read -r program
IFS= read -r new
IFS= read -r size
umask 022
unwritable() {
	rm -f "$new"
	exit 3
}
# What attempts have left behind that broke: those for the same host, whose names differ in the last 16 letters only. Others
# may still be at work, but not for long.
rm -f "${new%????????????????}"*
find "${config%/*}" -maxdepth 1 \( -name "${config##*/}.edgelb-new-*" -o -name "${config##*/}.edgelb-copy-*" \) -mmin +10 \
	-exec rm -f {} + 2>/dev/null
cat >"$new" || unwritable
# The size is less if the connection broke in the middle.
[ "$(wc -c <"$new")" -eq "$size" ] || unwritable
sync "$new" 2>/dev/null || sync || unwritable
"$program" -c -f "$new" >&2 && exit 0
[ -e "$new" ] || exit 4
rm -f "$new"
exit 1
