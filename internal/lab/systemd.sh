#!/bin/sh
# A Debian host in namespaces. Runs in a network and a mount namespace that were made for it, so everything it mounts and
# every address it takes goes with its last process. It lives until its stdin ends, which also happens when the one who
# holds the other end is killed; then the host loses its power and its cgroup is removed.
#
# $1 is the root (a folder), $2 how to boot it: systemd, sysv or openrc. The environment holds NAME, LAB (a process of the
# lab's network namespace), NUMBER (of the network, empty for the first free one), HOST_KEY, AUTHORIZED_KEY and SUDOERS.
set -eu
init=$2
cd "$1"

# The network: eth0 here, edgeN in the lab; the name of the latter is what reserves the number.
number=${NUMBER:-1}
until ip link add eth0 type veth peer name "edge$number" netns "$LAB" 2>/dev/null; do
	[ -z "$NUMBER" ] && [ "$number" -lt 254 ] ||
		{ ip link add eth0 type veth peer name "edge$number" netns "$LAB"; exit 1; }
	number=$((number + 1))
done
nsenter --target "$LAB" --net ip -batch - <<IP
address add 10.99.$number.1/30 dev edge$number
address add fd00:99:$number::1/64 dev edge$number nodad
link set edge$number up
IP
ip -batch - <<IP
address add 10.99.$number.2/30 dev eth0
address add fd00:99:$number::2/64 dev eth0 nodad
link set lo up
link set eth0 up
route add default via 10.99.$number.1
route add default via fd00:99:$number::1
IP

# The disk: what the host writes stays in memory. The root is "." because a mount at /mnt may hide it.
mount -t tmpfs -o mode=755 host /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=.,upperdir=/mnt/upper,workdir=/mnt/work host /mnt/root
cd /mnt/root

echo "$NAME" >etc/hostname
printf '127.0.0.1 localhost %s\n::1 localhost %s\n' "$NAME" "$NAME" >etc/hosts
: >etc/machine-id
(umask 077 && printf '%s' "$HOST_KEY" >etc/ssh/ssh_host_ed25519_key)
chroot . useradd --create-home --shell /bin/sh edgelb
for home in root home/edgelb; do
	mkdir -m 700 -p "$home/.ssh"
	printf '%s\n' "$AUTHORIZED_KEY" >"$home/.ssh/authorized_keys"
done
chroot . chown -R edgelb:edgelb /home/edgelb/.ssh
if [ -n "$SUDOERS" ]; then
	(umask 337 && printf '%s\n' "$SUDOERS" >etc/sudoers.d/edgelb)
fi
# These would wait for hardware, or reach for the machine's own.
for unit in systemd-networkd-wait-online.service systemd-modules-load.service systemd-udevd.service \
	systemd-udev-trigger.service getty.target console-getty.service systemd-resolved.service \
	systemd-timesyncd.service dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount; do
	ln -sf /dev/null "etc/systemd/system/$unit"
done
if [ "$init" = openrc ]; then
	chroot . sh -c 'dpkg --install /var/cache/openrc/*.deb' >&2
fi

# The cgroup: systemd wants one of its own to rule. The hierarchy is at different places on different machines.
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/edgelb-lab-$LAB-edge$number
mkdir "$cgroup"
power_off() {
	kill -KILL "$(cat "/proc/$machine/task/$machine/children")" 2>/dev/null || kill -KILL "$machine" 2>/dev/null || :
	wait "$machine" || :
	find "$cgroup" -depth -type d -exec rmdir {} \;
}
trap 'exit 1' TERM INT HUP
(
	sh -c 'echo $PPID' >"$cgroup/cgroup.procs"
	exec setpriv --pdeathsig KILL env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin NAME="$NAME" INIT="$init" \
		unshare --cgroup --pid --mount --uts --ipc --fork --kill-child sh -eu -c "$BOOT"
) >&2 </dev/null &
machine=$!
trap power_off EXIT
echo "$number $machine"
cat >/dev/null
