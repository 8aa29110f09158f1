#!/bin/sh
# The init of a Debian host without systemd: it starts the services as "sysv" or "openrc" does ($1), says so by the file
# /run/lab-started, and then waits while the host has power. As the first process it inherits the orphans; waiting reaps them as well.
case $1 in
sysv)
	/etc/init.d/ssh start
	/etc/init.d/haproxy start
	# Without a configuration it does nothing.
	[ ! -x /etc/init.d/keepalived ] || /etc/init.d/keepalived start
	;;
openrc)
	openrc sysinit
	openrc default
	;;
esac
: >/run/lab-started
sleep infinity &
wait
