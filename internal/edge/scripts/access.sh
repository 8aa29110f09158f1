#!/bin/sh
# Says how the account reaches HAProxy's files. Input: the configuration's path.
# Output: "direct", "sudo", or "none" and sudo's own words.
IFS= read -r config
real=$(readlink -f "$config" 2>/dev/null) || real=$config
if [ "$(id -u)" = 0 ] || { [ -d "${real%/*}" ] && [ -w "${real%/*}" ]; }; then
	echo direct
elif words=$(sudo -n /bin/sh -c : 2>&1); then
	echo sudo
else
	echo "none $words"
fi
