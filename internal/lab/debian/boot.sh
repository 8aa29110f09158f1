#!/bin/sh
# The first process of a Debian host. It makes its working directory the root of its mount namespace, with /proc, /sys, /dev and
# /run as in a container, and executes the init system.
#
# The environment: NAME and INIT (systemd, sysv or openrc).
hostname "$NAME"
mount --make-rprivate /
mount -t proc proc proc
# The kernel settings are the machine's; those of the network are the host's.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir run/lock dev/pts dev/shm dev/mqueue
for device in null zero full random urandom tty; do
	: >"dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . mnt
cd /
umount -l /mnt
case $INIT in
systemd) exec env -i PATH="$PATH" container=lab /sbin/init ;;
*) exec env -i PATH="$PATH" /sbin/init "$INIT" ;;
esac
