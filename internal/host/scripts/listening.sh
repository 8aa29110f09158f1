#!/bin/sh
# Shows on which TCP sockets HAProxy processes listen. Arguments: their PIDs, in one, separated by blanks.
# Output: "listens PID ADDRESS:PORT" for each socket, in the kernel's hex; "hidden PID" if the account may not see its sockets.
for pid in $1; do
	# Another process may have the PID of one that has ended.
	name=''
	{ read -r name <"/proc/$pid/comm"; } 2>/dev/null
	[ "$name" = haproxy ] || continue
	if ! ls "/proc/$pid/fd" >/dev/null 2>&1; then
		[ -d "/proc/$pid" ] && printf 'hidden %s\n' "$pid"
		continue
	fi
	# shellcheck disable=SC2010,SC2012 # the names are numbers
	held=$(ls -l "/proc/$pid/fd" 2>/dev/null | grep -o 'socket:\[[0-9]*\]')
	# 0A is the state LISTEN. A socket that was closed meanwhile is no longer in the kernel's tables.
	grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ local _ _ _ _ _ _ _ inode _; do
		case "$held" in *"[$inode]"*) printf 'listens %s %s\n' "$pid" "$local" ;; esac
	done
done
exit 0
