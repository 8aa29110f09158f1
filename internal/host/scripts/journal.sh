#!/bin/sh
# Prints the alerts that HAProxy's service logged in the last seconds, by the host's own clock.
# With --since, journalctl counts --lines from the oldest on, and what HAProxy has just said would be cut: it is asked for the newest first,
# and sed turns them around. A line about a connection, which has words of clients, does not begin like an alert.
journalctl --quiet --unit haproxy.service --output cat --reverse --lines 5000 --since "20 seconds ago" 2>/dev/null |
	grep '^\[ALERT\]' | head -n 40 | sed -n '1!G;h;$p'
exit 0
