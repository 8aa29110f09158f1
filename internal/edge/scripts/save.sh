#!/bin/sh
# Replaces the configuration by one that differs in its servers only, and starts as few processes as that takes. HAProxy has loaded
# all the rest of it and has taken these servers, so that it does not check the file. Arguments: the paths of the configuration and
# of the candidate, the SHA-256 that the former file must have, and the candidate's. Payload: the candidate.
# Output: the SHA-256 of the configuration, read back. Exit: 3 if the payload is not whole, 4 if the former file is another one;
# otherwise not 0 if the configuration was not changed.
config=${1:?} new=${2:?} former=${3:?} want=${4:?}
umask 022
withdraw() {
	rm -f "$new"
	exit "$1"
}
{ cat >"$new" && { sync "$new" 2>/dev/null || sync; }; } || withdraw 1
# Neither path holds a blank: "SUM  PATH", twice.
# shellcheck disable=SC2046
set -- $(sha256sum "$config" "$new")
[ "${1-}" = "$former" ] || withdraw 4
[ "${3-}" = "$want" ] || withdraw 3
# No worker that is started from now on is to believe what an earlier one said of its servers.
[ ! -s "$config.edgelb-state" ] || : >"$config.edgelb-state" || withdraw 1
mv -f "$new" "$config" || withdraw 1
sum=$(sha256sum <"$config")
printf '%s\n' "${sum%% *}"
