#!/bin/sh
# The init of a Debian host without systemd: it starts the services as "sysv" or "openrc" does ($1) and then waits while the
# host has power. As the first process it inherits the orphans; waiting reaps them as well.
case $1 in
sysv)
	/etc/init.d/ssh start
	/etc/init.d/haproxy start
	;;
openrc)
	openrc sysinit
	openrc default
	;;
esac
sleep infinity &
wait
