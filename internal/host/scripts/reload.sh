#!/bin/sh
# Makes HAProxy load its configuration. Arguments: one, which names the method and its parameter:
#   command WORDS…   the user's own command
#   signal PID       a master process without a master socket
#   reload INIT      the service, by systemd, openrc or sysv
#   start INIT       the same, if HAProxy does not run
# Output and exit: those of the command.
how=${1%% *} what=${1#* }
exec 2>&1
# A HAProxy that edgelb has installed starts with the machine from its first start on: the distribution's example may have public ports.
enable_installed() {
	if [ "$how" = start ] && grep -qs '^haproxy ' /var/lib/edgelb/packages; then "$@"; fi
}
case "$how $what" in
"command "*)
	set -f
	# shellcheck disable=SC2086 # words are meant to be split
	$what
	;;
"signal "*)
	# The check prevents a signal to another program that has this PID by now: the signal would end it.
	IFS= read -r name <"/proc/$what/comm" && [ "$name" = haproxy ] && kill -USR2 "$what"
	;;
*" systemd") enable_installed systemctl -q enable haproxy.service; systemctl "$how" haproxy.service ;;
*" openrc") enable_installed rc-update -q add haproxy default; rc-service haproxy "$how" ;;
*" sysv") /etc/init.d/haproxy "$how" ;;
*)
	printf 'no way to %s HAProxy by %s is known\n' "$how" "$what"
	exit 1
	;;
esac
