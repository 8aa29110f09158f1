#!/bin/sh
# The machine under a Debian host: its network, its disk and its power. It runs in its own network and mount namespaces, so
# that everything is removed with the last process. SIGTERM cuts the power; a reboot starts the host again, with the same disk.
#
# The environment: ROOT and INIT (systemd, sysv or openrc), NAME, LAB (a process of the lab's namespaces), LINK (the name in the lab of
# the other end of eth0) and BRIDGE (empty if LINK is no port of one), addresses with their prefix length (ADDRESS4, ADDRESS6 and
# LINK_LOCAL of eth0; GATEWAY4, GATEWAY6 and GATEWAY_LINK_LOCAL of the lab), PID_FILE (for the PID of the host's first process),
# HOST_KEY, AUTHORIZED_KEY, SUDOERS, FRESH (true: without the account edgelb), and the scripts BOOT and
# SMALL_INIT.
set -eu
mount --make-rprivate /

ip link add eth0 type veth peer name "$LINK" netns "$LAB"
# The kernel's own link-local addresses are not usable at first, but neighbour discovery uses them.
{
	echo "link set $LINK addrgenmode none"
	if [ -n "$BRIDGE" ]; then
		echo "link set $LINK master $BRIDGE"
	else
		echo "address add $GATEWAY4 dev $LINK"
		echo "address add $GATEWAY6 dev $LINK nodad"
		echo "address add $GATEWAY_LINK_LOCAL dev $LINK nodad"
	fi
	echo "link set $LINK up"
} | nsenter --target "$LAB" --net ip -batch -
ip -batch - <<IP
link set eth0 addrgenmode none
address add $ADDRESS4 dev eth0
address add $ADDRESS6 dev eth0 nodad
address add $LINK_LOCAL dev eth0 nodad
link set lo up
link set eth0 up
route add default via ${GATEWAY4%/*}
route add default via ${GATEWAY6%/*}
IP

# What the host writes stays in memory. The root is "." since the mount may hide it.
cd "$ROOT"
mount -t tmpfs -o mode=755 host /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=.,upperdir=/mnt/upper,workdir=/mnt/work host /mnt/root
cd /mnt/root

echo "$NAME" >etc/hostname
printf '127.0.0.1 localhost %s\n::1 localhost %s\n' "$NAME" "$NAME" >etc/hosts
: >etc/machine-id
(umask 077 && printf '%s' "$HOST_KEY" >etc/ssh/ssh_host_ed25519_key)
homes=root
if [ "$FRESH" = false ]; then
	chroot . useradd --create-home --shell /bin/sh edgelb
	homes='root home/edgelb'
fi
for home in $homes; do
	mkdir -p "$home/.ssh"
	chmod 700 "$home/.ssh"
	printf '%s' "$AUTHORIZED_KEY" >"$home/.ssh/authorized_keys"
done
[ "$FRESH" = true ] || chroot . chown -R edgelb:edgelb /home/edgelb/.ssh
if [ -n "$SUDOERS" ]; then
	(umask 337 && printf '%s\n' "$SUDOERS" >etc/sudoers.d/edgelb)
fi
# Units that would wait for missing hardware, or access the machine's hardware.
for unit in systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service getty.target \
	console-getty.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount; do
	ln -sf /dev/null "etc/systemd/system/$unit"
done
if [ "$INIT" = openrc ]; then
	chroot . sh -c 'dpkg --install /var/cache/openrc/*.deb'
	# As above.
	rm -f etc/runlevels/sysinit/*
fi
if [ "$INIT" != systemd ]; then
	rm -f sbin/init
	printf '%s' "$SMALL_INIT" >sbin/init
	chmod 755 sbin/init
fi
printf '%s' "$BOOT" >/mnt/boot

# systemd manages its own cgroup; the mount point of the hierarchy differs between machines. No two existing namespaces
# have the same number. A killed lab leaves empty cgroups behind, which are removed here.
hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$hierarchy" ] || { echo "no cgroup2 is mounted, and systemd needs it; mount it at /sys/fs/cgroup/unified"; exit 1; }
for left in "$hierarchy"/edgelb-lab-*; do
	! grep -qs 'populated 0' "$left/cgroup.events" || find "$left" -depth -type d -exec rmdir {} \; || :
done
network=$(readlink /proc/self/ns/net)
cgroup=$hierarchy/edgelb-lab-${network#net:}
# Another lab may have removed it as one of those, while it was still empty: hence the second try.
# shellcheck disable=SC2016 # for the shell that joins
join='mkdir -p "$0" && echo $$ >"$0/cgroup.procs"'

host='' machine=''
power_off() {
	kill -KILL "${host:-$machine}" || :
	wait
	find "$cgroup" -depth -type d -exec rmdir {} \;
}
power_on() {
	sh -euc "{ $join; } || { $join; }"'
	exec setpriv --pdeathsig KILL env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin INIT="$INIT" NAME="$NAME" \
		unshare --cgroup --pid --mount --uts --ipc --fork --kill-child sh -eu /mnt/boot' "$cgroup" &
	machine=$! host='' program=''
	# After it has executed unshare, its only child is the host's first process. That list ends without a newline.
	while [ -z "$host" ]; do
		read -r program <"/proc/$machine/comm"
		[ "$program" != unshare ] || read -r host _ <"/proc/$machine/task/$machine/children" || :
	done
	echo "$host" >"$PID_FILE.new"
	mv "$PID_FILE.new" "$PID_FILE"
}
trap power_off EXIT
trap 'exit 0' TERM
# The kernel ends a first process that reboots by SIGHUP.
ended=129
while [ "$ended" = 129 ]; do
	power_on
	ended=0
	wait "$machine" || ended=$?
	find "$cgroup" -depth -type d -exec rmdir {} \;
done
