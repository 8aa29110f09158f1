#!/bin/sh
# Puts a candidate beside the configuration and lets HAProxy check it. Input: the configuration's path, HAProxy's, the
# candidate's size in bytes, the candidate. Exit: 0 good, 1 refused by HAProxy (its words on stderr), 3 cannot be written.
IFS= read -r config
IFS= read -r program
IFS= read -r size
umask 022
new=$config.edgelb-new
unwritable() {
	rm -f "$new"
	exit 3
}
cat >"$new" || unwritable
# The size is less if the connection broke in the middle.
[ "$(wc -c <"$new")" -eq "$size" ] || unwritable
sync "$new" 2>/dev/null || sync || unwritable
"$program" -c -f "$new" >&2 && exit 0
rm -f "$new"
exit 1
