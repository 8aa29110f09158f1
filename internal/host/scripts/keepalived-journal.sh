#!/bin/sh
# Prints what keepalived logged last: in the last seconds, by the host's own clock, or else the last lines of the system's log, unless the
# argument is "recent": they may be old.
# With --since, journalctl counts --lines from the oldest on: it is asked for the newest first, and sed turns them around.
if lines=$(journalctl --quiet --unit keepalived.service --output cat --reverse --lines 60 --since "20 seconds ago" 2>/dev/null); then
	printf '%s\n' "$lines" | sed -n '1!G;h;$p'
	exit 0
fi
[ "$1" != recent ] || exit 0
for log in /var/log/syslog /var/log/messages /var/log/daemon.log; do
	[ -r "$log" ] && tail -n 500 "$log" | grep -i 'keepalived' | tail -n 40 && exit
done
exit 0
