#!/bin/sh
# Replaces the configuration by one that differs in its servers only, and its map file, and starts as few processes as that takes.
# HAProxy has loaded all the rest and has taken these servers and entries, so it does not check the files. Arguments: the paths of the
# configuration and of the candidate; the SHA-256 that the previous file must have, and the candidate's; the candidate's size in bytes;
# the path of the map file, empty if it stays as it is, and its new SHA-256. Payload: the candidate, and the map file.
# Output: the SHA-256 of the configuration, and of the map file if it was replaced, read back. Exit: 3 if the payload is incomplete, 4 if
# the previous file is another one or somebody else has removed the candidate; any other status but 0 if the configuration was not
# changed.
config=${1:?} new=${2:?} former=${3:?} want=${4:?} size=${5:?} map=$6 wantmap=$7
umask 022
withdraw() {
	rm -f "$new" "$new.names" "$new.text"
	exit "$1"
}
split() {
	[ -z "$map" ] || { tail -c "+$((size + 1))" "$new" >"$new.names" && head -c "$size" "$new" >"$new.text" && mv -f "$new.text" "$new"; }
}
# Earlier attempts for the same host, whose connection broke, differ in the last 16 letters only.
for old in "${new%????????????????}"*; do
	[ ! -e "$old" ] || rm -f "$old"
done
{ cat >"$new" && split; } || withdraw 1
# Paths hold no blank here.
# shellcheck disable=SC2086
sync "$new" ${map:+"$new.names"} 2>/dev/null || sync || withdraw 1
# "SUM  PATH" for each.
# shellcheck disable=SC2046,SC2086
set -- $(sha256sum "$config" "$new" ${map:+"$new.names"})
if [ "${1-}" != "$former" ] || [ ! -e "$new" ]; then withdraw 4; fi
[ "${3-} ${5-}" = "$want $wantmap" ] || withdraw 3
# No worker that starts from now on must believe what an earlier one reported of its servers.
[ ! -s "$config.edgelb-state" ] || { true >"$new.text" && mv -f "$new.text" "$config.edgelb-state"; } || withdraw 1
[ -z "$map" ] || mv -f "$new.names" "$map" || withdraw 1
mv -f "$new" "$config" || withdraw 1
# shellcheck disable=SC2046,SC2086
set -- $(sha256sum "$config" ${map:+"$map"})
printf '%s\n' "${1-}" ${map:+"${3-}"}
