#!/bin/sh
# Looks at the host and changes nothing. Input: the paths of the configuration and of the admin socket.
# Output: one fact a line, "key value…"; see package survey.
IFS= read -r config
IFS= read -r socket
real=$(readlink -f "$config" 2>/dev/null) || real=$config

echo "config $real"
[ -n "${SSH_CONNECTION-}" ] && echo "connection $SSH_CONNECTION"
id -u | sed 's/^/uid /'
id -u haproxy 2>/dev/null | sed 's/^/haproxyuid /'
# With hidepid, /proc shows an ordinary account its own processes only.
[ -d /proc/1 ] || echo processeshidden yes
[ -d "${socket%/*}" ] && echo socketdirectory yes
id -u haproxy >/dev/null 2>&1 && echo user haproxy
grep -q '^haproxy:' /etc/group && echo group haproxy
[ -d /var/lib/haproxy ] && echo chroot /var/lib/haproxy
[ -S /dev/log ] && echo syslog yes
# The account, and who starts HAProxy, are not always the same.
if [ -n "$(find -L /etc/resolv.conf -maxdepth 0 -perm -004 2>/dev/null)" ]; then
	echo resolvconf all
elif [ -r /etc/resolv.conf ]; then
	echo resolvconf account
fi
{ read -r _ </proc/net/if_inet6; } 2>/dev/null && echo ipv6 yes

if [ -d /run/systemd/system ]; then
	echo init systemd
	unit=$(systemctl cat haproxy.service 2>/dev/null)
elif [ -d /run/openrc ] && command -v rc-service >/dev/null; then
	echo init openrc
elif [ -x /etc/init.d/haproxy ]; then
	echo init sysv
fi
# The service manager is asked to start or reload HAProxy only if its service runs this very file.
if [ "$config" = /etc/haproxy/haproxy.cfg ] || { echo "${unit-}"; cat /etc/default/haproxy /etc/conf.d/haproxy 2>/dev/null; } | grep -qF -- "$config"; then
	echo service yes
fi

# Fedora and its kin load this folder as well, and ship it empty.
folder=${config%/*}/conf.d
[ -d "$folder" ] && ! ls "$folder"/*.cfg >/dev/null 2>&1 && echo "emptyfolder $folder"

if [ -s "$real" ]; then
	echo exists yes
	sum=$(sha256sum "$real") && echo "sha256 ${sum%% *}"
	sum=$(sed -e 's/ *#.*//' -e '/^$/d' "$real" | sha256sum) && echo "settings ${sum%% *}"
	# Debian's package manager knows what the file was like when it came.
	sum=$(md5sum "$real")
	dpkg-query -W -f '${Conffiles}\n' haproxy 2>/dev/null | grep -qF -- "$config ${sum%% *}" && echo pristine yes
	sed -n '1,12s/^#/header #/p' "$real"
	sed -n -e 's/^\(frontend [^ ]*\).*/line \1/p' -e 's/^ *\(bind [^ ]*\).*/line \1/p' \
		-e 's/^ *peer edgelb abns@/peers /p' "$real"
fi
for names in "$real".edgelb-names-*; do
	sum=$(sha256sum "$names" 2>/dev/null) && echo "names ${sum%% *} $names"
done

# The namespaces tell HAProxies of containers, which have a /proc entry as well, from the host's own. They are compared as
# far as the account may see them.
elsewhere() {
	for kind in net pid; do
		there=$(readlink "$1/ns/$kind") && [ "$there" != "$(readlink "/proc/self/ns/$kind")" ] && return 0
	done 2>/dev/null
	return 1
}
# A master that executes itself anew, as each reload makes it do, has no arguments for a moment; nor has one that ends.
arguments() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		words=$(tr '\0\n' '\t ' <"$1/cmdline")
		[ -n "$words" ] && break
		sleep 0.05 || break
	done 2>/dev/null
	echo "$words"
}
for dir in /proc/[0-9]*; do
	{ read -r name <"$dir/comm"; } 2>/dev/null || continue
	[ "$name" = haproxy ] || continue
	elsewhere "$dir" && continue
	parent='' uid='' capabilities=''
	while read -r key value rest; do
		case $key in
		PPid:) parent=$value ;;
		Uid:) uid=$value ;;
		CapEff:) capabilities=$value ;;
		esac
	done 2>/dev/null <"$dir/status" || continue
	descriptors=''
	while read -r first second third _ hard _; do
		[ "$first $second $third" = "Max open files" ] && descriptors=$hard
	done 2>/dev/null <"$dir/limits"
	[ -n "$uid" ] && echo "process ${dir#/proc/} $parent $uid $capabilities ${descriptors:--} $(arguments "$dir")"
done

{ read -r most </proc/sys/fs/nr_open; } 2>/dev/null && echo "mostdescriptors $most"
bin=$(command -v haproxy) && echo "binary $bin"
exit 0
