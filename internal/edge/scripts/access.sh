#!/bin/sh
# Says how the account reaches HAProxy's files. Arguments: the configuration's path.
# Output: what sshd says of the connection, which sudo does not pass on, as "connection …", if it says anything. Then
# "direct", "sudo", or "none" and sudo's own words, which are the rest of the output.
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
