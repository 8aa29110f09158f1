#!/bin/sh
# Puts a candidate beside keepalived's configuration, and its scripts in place, and lets keepalived check it. Arguments: the paths of the
# configuration, of keepalived and of the candidate, and the candidate's size in bytes; for each script its size and its path in edgelb's
# folder, as one argument.
# Payload: the candidate, and the scripts in that order.
# Exit: 0 good, 1 refused by keepalived (its output on stderr), 3 cannot be written, 4 somebody else has removed the candidate, 5 keepalived
# cannot check here.
config=${1:?} program=${2:?} new=${3:?} size=${4:?}
shift 4
umask 022
withdraw() {
	rm -f "$new" "$new.script" "$new.text"
	exit "$1"
}
# Whoever has edited a script meanwhile gets it back; keepalived reads it anew at each run.
part() {
	at=$((size + 1))
	for script in "$@"; do
		tail -c "+$at" "$new" | head -c "${script%% *}" >"$new.script" || return 1
		sync "$new.script" 2>/dev/null || sync || return 1
		mv -f "$new.script" "${script#* }" || return 1
		at=$((at + ${script%% *}))
	done
	head -c "$size" "$new" >"$new.text" && mv -f "$new.text" "$new"
}
# Remove the leftovers of broken attempts: those for the same host, whose names differ in the last 16 letters only, at once.
rm -f "${new%????????????????}"*
find "${config%/*}" -maxdepth 1 \( -name "${config##*/}.edgelb-new-*" -o -name "${config##*/}.edgelb-copy-*" \) -mmin +10 \
	-exec rm -f {} + 2>/dev/null
cat >"$new" || withdraw 3
# shellcheck disable=SC2154 # the loader has set it
[ "$(wc -c <"$new")" -eq "$payload_size" ] || withdraw 3
part "$@" || withdraw 3
sync "$new" 2>/dev/null || sync || withdraw 3
# 2.2.7 ends itself, and with it all processes of its group, unless it is the first of a PID namespace.
if unshare --pid --fork true 2>/dev/null; then
	unshare --pid --fork "$program" -t -f "$new" >&2
else
	"$program" -t -f "$new" >&2
fi
status=$?
[ "$status" -ne 0 ] || exit 0
[ -e "$new" ] || exit 4
[ "$status" -lt 128 ] || withdraw 5
withdraw 1
