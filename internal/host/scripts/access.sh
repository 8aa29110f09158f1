#!/bin/sh
# Finds out how the account can write HAProxy's files. Arguments: the configuration's path.
# Output: "connection …" with sshd's description of the connection, if it has any, since sudo does not pass it on. Then
# "direct", "sudo", or "none" and sudo's output, up to the end.
config=$1
[ -n "${SSH_CONNECTION-}" ] && printf 'connection %s\n' "$SSH_CONNECTION"
real=$(readlink -f "$config" 2>/dev/null) || real=$config
if [ "$(id -u)" = 0 ] || { [ -d "${real%/*}" ] && [ -w "${real%/*}" ]; }; then
	printf 'direct\n'
elif words=$(sudo -n /bin/sh -c : 2>&1); then
	printf 'sudo\n'
else
	printf 'none %s\n' "$words"
fi
