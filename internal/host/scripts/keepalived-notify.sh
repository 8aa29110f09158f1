#!/bin/sh
# Runs the commands of virtual routers that this host is the master of, as the account that keepalived runs them as, and does not wait for
# them. Arguments: that account, and the path of a script for each.
# Exit: 0 if they were started.
user=${1:?}
shift
for script in "$@"; do
	# shellcheck disable=SC2016 # the inner shell expands it
	setsid su -s /bin/sh "$user" -c 'exec /bin/sh "$0" MASTER' "$script" </dev/null >/dev/null 2>&1 &
done
