#!/bin/sh
# Says how the account reaches HAProxy's files. Input: the configuration's path.
# Output: what sshd says of the connection, which sudo does not pass on, as "connection …", if it says anything. Then
# "direct", "sudo", or "none" and sudo's own words.
IFS= read -r config
[ -n "${SSH_CONNECTION-}" ] && echo "connection $SSH_CONNECTION"
real=$(readlink -f "$config" 2>/dev/null) || real=$config
if [ "$(id -u)" = 0 ] || { [ -d "${real%/*}" ] && [ -w "${real%/*}" ]; }; then
	echo direct
elif words=$(sudo -n /bin/sh -c : 2>&1); then
	echo sudo
else
	echo "none $words"
fi
