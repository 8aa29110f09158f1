#!/bin/sh
# Replaces the configuration by one that differs in its servers only, with as few processes as possible. HAProxy has loaded the
# rest and has taken these servers, so the file needs no check. Arguments: the paths of the configuration and of the candidate,
# the SHA-256 that the previous file must have, and the candidate's. Payload: the candidate.
# Output: the SHA-256 of the configuration, read back. Exit: 3 if the payload is incomplete, 4 if the previous file is not the
# expected one; otherwise not 0 if the configuration was not changed.
config=${1:?} new=${2:?} former=${3:?} want=${4:?}
umask 022
withdraw() {
	rm -f "$new"
	exit "$1"
}
{ cat >"$new" && { sync "$new" 2>/dev/null || sync; }; } || withdraw 1
# Neither path contains a blank: "SUM  PATH", twice.
# shellcheck disable=SC2046
set -- $(sha256sum "$config" "$new")
[ "${1-}" = "$former" ] || withdraw 4
[ "${3-}" = "$want" ] || withdraw 3
# A worker that is started from now on must not load the server state of an earlier one.
[ ! -s "$config.edgelb-state" ] || : >"$config.edgelb-state" || withdraw 1
mv -f "$new" "$config" || withdraw 1
sum=$(sha256sum <"$config")
printf '%s\n' "${sum%% *}"
