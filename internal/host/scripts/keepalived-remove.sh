#!/bin/sh
# Takes from a host, whose keepalived was stopped, what edgelb has put there for it. Arguments: the path of the configuration and its SHA-256;
# edgelb's folder; the folders for the results of the check and of commands; and any number of virtual addresses, "INTERFACE ADDRESS/BITS",
# which keepalived has left if it was killed before.
# Exit: 4 if the configuration is another one; 0 if all of it is gone.
config=${1:?} expected=${2:?} folder=${3:?} results=${4:?} notices=${5:?}
shift 5
sum=$(sha256sum <"$config") || exit 4
[ "${sum%% *}" = "$expected" ] || exit 4
failed=0
for address in "$@"; do
	# An address that is not there is no failure.
	held=$(ip -o addr show dev "${address%% *}" 2>/dev/null | grep -F -- " ${address#* } ")
	[ -z "$held" ] || ip addr del "${address#* }" dev "${address%% *}" >&2 || failed=1
done
# The account that owns them must not put links there meanwhile.
for own in "$results" "$notices"; do
	[ ! -d "$own" ] || { chown -h 0 "$own" && rm -rf "$own"; } || failed=1
done
rm -rf "$folder" || failed=1
rm -f "$config.edgelb-former" "$config".edgelb-new-* || failed=1
# It comes last: it says that there is something to remove.
[ "$failed" -eq 0 ] && rm -f "$config"
