#!/bin/sh
# Makes HAProxy load its configuration. Arguments: one, which says how, and what that takes:
#   command WORDS…   the user's own command
#   signal PID       a master process without a master socket
#   reload INIT      the service, by systemd, openrc or sysv
#   start INIT       the same, where nothing runs
# Output: the words of whoever was asked. Exit: theirs.
how=${1%% *} what=${1#* }
exec 2>&1
case "$how $what" in
"command "*)
	set -f
	# shellcheck disable=SC2086 # words are meant to be split
	$what
	;;
"signal "*)
	# The signal ends any other program that has got the number since.
	IFS= read -r name <"/proc/$what/comm" && [ "$name" = haproxy ] && kill -USR2 "$what"
	;;
*" systemd") systemctl "$how" haproxy.service ;;
*" openrc") rc-service haproxy "$how" ;;
*" sysv") /etc/init.d/haproxy "$how" ;;
*)
	printf 'no way to %s HAProxy by %s is known\n' "$how" "$what"
	exit 1
	;;
esac
