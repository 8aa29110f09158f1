#!/bin/sh
# Controls keepalived's service. Arguments: one, which names what to do and by which means, and edgelb's folder:
#   reload signal PID               a process that no service manager runs
#   start|reload|stop INIT          the service, by systemd, openrc or sysv
#   enable|disable INIT             whether it starts with the machine; the folder has a note of what was enabled
# Output and exit: those of the command.
task=$1 folder=${2:?}
exec 2>&1
is_keepalived() {
	IFS= read -r name <"/proc/$1/comm" && [ "$name" = keepalived ]
}
enable_sysv() {
	if command -v update-rc.d >/dev/null; then update-rc.d keepalived defaults; else chkconfig keepalived on; fi
}
disable_sysv() {
	# Debian's update-rc.d disables a service for good, even if its package is installed again, unless its links are removed.
	if command -v update-rc.d >/dev/null; then update-rc.d keepalived remove; else chkconfig keepalived off; fi
}
case $task in
# The check prevents a signal to another program that has this PID by now: the signal would end it.
"reload signal "*) is_keepalived "${task##* }" && kill -HUP "${task##* }" ;;
"enable systemd") systemctl enable keepalived.service ;;
"enable openrc") rc-update add keepalived default ;;
"enable sysv") enable_sysv ;;
"disable systemd") systemctl disable keepalived.service ;;
"disable openrc") rc-update del keepalived default ;;
"disable sysv") disable_sysv ;;
*" systemd")
	# A service that has failed several times in a row is not started again otherwise.
	systemctl reset-failed keepalived.service 2>/dev/null
	systemctl "${task% *}" keepalived.service
	;;
*" openrc") rc-service keepalived "${task% *}" ;;
*" sysv") /etc/init.d/keepalived "${task% *}" ;;
*)
	printf 'no way to %s keepalived is known\n' "$task"
	exit 1
	;;
esac || exit
case $task in
enable*) true >"$folder/enabled" ;;
disable*) rm -f "$folder/enabled" ;;
esac
