#!/bin/sh
# Observes keepalived of the host and changes nothing. Arguments: the paths of its configuration, of edgelb's folder, and of the result of the
# check; the account that runs the check.
# Output: one fact a line, "key value…"; see package internal/keepalived/facts. No text that others than root may have chosen can forge a line
# or a part of one: the result of the check, which an ordinary account owns, is printed only if it has the form of one.
config=${1:?} folder=${2:?} result=${3:?} user=${4:?}

printf 'uid %s\n' "$(id -u)"
if program=$(command -v keepalived); then
	printf 'binary %s\n' "$program"
	# "Keepalived v2.2.7 (01/16,2022)", and more
	version=$("$program" -v 2>&1)
	version=${version#*Keepalived v}
	printf 'version %s\n' "${version%%[!0-9.]*}"
fi
uid=$(id -u "$user" 2>/dev/null) && printf 'scriptuid %s\n' "$uid"
tool=''
for name in perl python3 socat; do
	command -v "$name" >/dev/null && tool=$name && break
done
# busybox's knows no unix sockets.
[ -z "$tool" ] && nc -h 2>&1 | grep -q -e '-[A-Za-z]*U' && tool=nc
[ -n "$tool" ] && printf 'tool %s\n' "$tool"

if [ -d /run/systemd/system ]; then
	printf 'init systemd\n'
	printf 'service %s\n' "$(systemctl is-enabled keepalived.service 2>/dev/null)"
elif [ -d /run/openrc ] && command -v rc-service >/dev/null; then
	printf 'init openrc\n'
	[ -x /etc/init.d/keepalived ] && printf 'service disabled\n'
	rc-update show 2>/dev/null | grep -q '^ *keepalived |.*[a-z]' && printf 'service enabled\n'
elif [ -x /etc/init.d/keepalived ]; then
	printf 'init sysv\nservice disabled\n'
	ls /etc/rc[2345].d/S*keepalived >/dev/null 2>&1 && printf 'service enabled\n'
fi

# The process that is nobody's child of that name is the one to signal. The namespaces tell it from those in containers.
namespaces() { readlink "/proc/$1/ns/net" "/proc/$1/ns/pid" 2>/dev/null; }
own=$(namespaces self)
is_keepalived() {
	name=''
	{ IFS= read -r name <"/proc/$1/comm"; } 2>/dev/null
	[ "$name" = keepalived ]
}
say_process() {
	is_keepalived "$1" || return 1
	parent='' owner=''
	# The shell's own read takes one byte at a time.
	while read -r key value _; do
		case $key in
		PPid:) parent=$value ;;
		Uid:) owner=$value ;;
		esac
	done <<-END
		$(grep -e '^PPid:' -e '^Uid:' "/proc/$1/status" 2>/dev/null)
	END
	[ "$owner" = 0 ] && ! is_keepalived "$parent" && [ "$(namespaces "$1")" = "$own" ] && printf 'process %s\n' "$1"
}
pid=''
{ read -r pid </run/keepalived.pid; } 2>/dev/null
case $pid in '' | *[!0-9]*) pid=none ;; esac
if ! say_process "$pid"; then
	# shellcheck disable=SC2013 # the paths have no blanks
	for comm in $(grep -lx keepalived /proc/[0-9]*/comm 2>/dev/null); do
		pid=${comm%/comm}
		say_process "${pid#/proc/}"
	done
fi

if [ -s "$config" ]; then
	printf 'exists yes\n'
	sum=$(sha256sum <"$config") && printf 'sha256 %s\n' "${sum%% *}"
	# Fedora's package manager knows the file as it was installed, an example.
	command -v rpm >/dev/null && rpm -q --dump keepalived 2>/dev/null | grep -qF -- "$config $(wc -c <"$config") " &&
		rpm -q --dump keepalived | grep -F -- "$config " | grep -qF -- " ${sum%% *} " && printf 'pristine yes\n'
	# The beginning of the file, and its virtual addresses: "virtual INTERFACE ADDRESS".
	awk '
		NR <= 8 && /^#/ { print "header " $0 }
		{
			sub(/[#!].*/, "")
			gsub(/[{}]/, " & ")
			for (i = 1; i <= NF; i++) {
				if ($i == "vrrp_instance") iface = "-"
				else if (before == "interface" && $i ~ /^[A-Za-z0-9_.-]+$/) iface = $i
				else if ($i ~ /^virtual_ipaddress(_excluded)?$/) inside = 1
				else if ($i == "}") inside = 0
				else if (inside && $i ~ /^[0-9a-fA-F:.]+(\/[0-9]+)?$/) print "virtual", iface, $i
				before = $i
			}
		}' "$config"
fi
for check in "$folder"/check-*.sh; do
	case ${check#"$folder"/check-} in *[!0-9a-f]*.sh) continue ;; esac
	sum=$(sha256sum <"$check") && printf 'checkfile %s %s\n' "${sum%% *}" "$check"
done 2>/dev/null
[ -e "$folder/enabled" ] && printf 'enabledhere yes\n'
maintenance=''
{ read -r maintenance <"$folder/maintenance"; } 2>/dev/null
case $maintenance in [01]) printf 'maintenance %s\n' "$maintenance" ;; esac

# Its type and rights, a number, and its owner: not every stat has -c.
listed=$(ls -ldn "${result%/*}" 2>/dev/null)
case $uid:$listed in
[0-9]*:d*)
	read -r _ _ owner _ <<-END
		$listed
	END
	[ "$owner" = "$uid" ] && printf 'results yes\n'
	;;
esac
# Its owner may put anything there, such as a link, or a pipe to which nobody writes, and at any time.
if [ -f "$result" ] && [ ! -L "$result" ]; then
	text=$(timeout 1 dd if="$result" bs=256 count=1 iflag=nofollow,nonblock 2>/dev/null || timeout 1 dd if="$result" bs=256 count=1 2>/dev/null)
	printf '%s\n' "$text" | sed -n '1s/^[0-9a-f]\{64\} \(ok\|failed\) [0-9]\{1,12\}\.[0-9]\{2\}$/check &/p'
fi
# It is read after the result, which is never younger then.
read -r uptime _ </proc/uptime && printf 'uptime %s\n' "$uptime"

ip -o link show 2>/dev/null | sed 's/^/link /'
ip -o addr show 2>/dev/null | sed 's/^/address /'
exit 0
