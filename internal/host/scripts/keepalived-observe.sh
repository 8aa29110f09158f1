#!/bin/sh
# Observes keepalived of the host and changes nothing. Arguments: the paths of its configuration, of edgelb's folder, and of the result of the
# check; the account that runs the check; the folder of the results of commands, and the beginning of their names; and "all", or "state" for
# what keepalived and the kernel change by themselves, which is asked for every few seconds, and from which a change of files can be seen.
# Output: one fact a line, "key value…"; see package internal/keepalived/facts. No text that others than root may have chosen can forge a line
# or a part of one: results, which an ordinary account owns, are printed only if they have the form of one.
config=${1:?} folder=${2:?} result=${3:?} user=${4:?} notices=${5:?} prefix=${6:?} part=${7:?}

say_programs() {
	if [ -n "$program" ]; then
		printf 'binary %s\n' "$program"
		# "Keepalived v2.2.7 (01/16,2022)", and more
		version=$("$program" -v 2>&1)
		version=${version#*Keepalived v}
		printf 'version %s\n' "${version%%[!0-9.]*}"
	fi
	# A job that was killed leaves this file.
	{ read -r job _ </run/edgelb-install/job/pid; } 2>/dev/null && [ -d "/proc/$job" ] && printf 'installing yes\n'
	while read -r package installed _; do
		printf 'installed %s %s\n' "$package" "$installed"
	done 2>/dev/null </var/lib/edgelb/packages
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
}

say_files() {
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
	for script in "$folder"/check-*.sh "$folder"/notify-*.sh; do
		case ${script#"$folder"/*-} in *[!0-9a-f]*.sh) continue ;; esac
		sum=$(sha256sum <"$script") && printf 'script %s %s\n' "${sum%% *}" "$script"
	done 2>/dev/null
	# The files of Secrets: "secret MODE OWNER SUM PATH".
	if [ -d "$folder/secrets" ]; then
		find "$folder/secrets" -type f | while IFS= read -r file; do
			# shellcheck disable=SC2012 # not every stat has -c
			sum=$(sha256sum <"$file") && printf 'secret %s %s %s\n' "$(ls -ln "$file" | awk '{ print substr($1, 1, 10), $3 }')" "${sum%% *}" "$file"
		done
	fi
	[ -e "$folder/enabled" ] && printf 'enabledhere yes\n'
}

# A change of a file changes its line: "mark INODE MODE … SIZE … TIME PATH". They are printed before the files are read.
say_marks() {
	# shellcheck disable=SC2012 # not every stat has -c
	ls -lidn "$program" "$config" "$folder"/* "$folder"/secrets/*/* 2>/dev/null | sed 's/^/mark /'
}

# The process that is nobody's child of that name is the one to signal. The namespaces tell it from those in containers.
namespaces() { readlink "/proc/$1/ns/net" "/proc/$1/ns/pid" 2>/dev/null; }
is_keepalived() {
	name=''
	{ IFS= read -r name <"/proc/$1/comm"; } 2>/dev/null
	[ "$name" = keepalived ]
}
say_process() {
	is_keepalived "$1" || return 1
	parent='' owner='' started=''
	# The shell's own read takes one byte at a time.
	while read -r key value rest; do
		case $key in
		PPid:) parent=$value ;;
		Uid:) owner=$value ;;
		"$1")
			# The line of stat. When the process was started is its field 22.
			# shellcheck disable=SC2086
			set -- "$1" $rest
			started=${21}
			;;
		esac
	done <<-END
		$(grep -hs -e '^PPid:' -e '^Uid:' -e "^$1 " "/proc/$1/status" "/proc/$1/stat")
	END
	[ "$owner" = 0 ] && ! is_keepalived "$parent" && [ "$(namespaces "$1")" = "$own" ] && printf 'process %s %s\n' "$1" "$started"
}

# The account that runs the check and the commands may put anything there, such as a link, or a pipe to which nobody writes, and at any time.
belongs() {
	[ -n "$uid" ] || return 1
	# Its type and rights, a number, and its owner: not every stat has -c.
	listed=$(ls -ldn "$1" 2>/dev/null)
	case $listed in d*) ;; *) return 1 ;; esac
	while read -r _ _ owner _; do
		[ "$owner" = "$uid" ] && return 0
		break
	done <<-END
		$listed
	END
	return 1
}
first_bytes() {
	[ -f "$1" ] && [ ! -L "$1" ] || return 0
	timeout 1 dd if="$1" bs="$2" count=1 iflag=nofollow,nonblock 2>/dev/null || timeout 1 dd if="$1" bs="$2" count=1 2>/dev/null
	# sed leaves out the end of a line that has none.
	printf '\n'
}

printf 'uid %s\n' "$(id -u)"
program=$(command -v keepalived)
uid=$(id -u "$user" 2>/dev/null) && printf 'scriptuid %s\n' "$uid"
say_marks
if [ "$part" = all ]; then
	say_programs
	say_files
fi
own=$(namespaces self)
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
maintenance=''
{ read -r maintenance <"$folder/maintenance"; } 2>/dev/null
case $maintenance in [01]) printf 'maintenance %s\n' "$maintenance" ;; esac
belongs "${result%/*}" && printf 'results yes\n'
first_bytes "$result" 256 | sed -n '1s/^[0-9a-f]\{64\} \(ok\|failed\) [0-9]\{1,12\}\.[0-9]\{2\}$/check &/p'
if belongs "$notices"; then
	printf 'notices yes\n'
	for notice in "$notices/$prefix"*; do
		instance=${notice#"$notices/$prefix"}
		case $instance in '' | '*' | *[!A-Za-z0-9_.-]*) continue ;; esac
		words='[0-9a-f]\{16\} \(ran\|running\|failed\|left\) \([0-9]\{1,3\}\|-\) [0-9]\{1,12\}\.[0-9]\{2\} \([0-9a-f]\{16\}\|-\)'
		first_bytes "$notice" 1100 | tr -cd ' -~\n' | sed -n "1s/^\($words\) .*\$/notice $instance &/p"
	done
fi
# It is read after the result, which is never younger then.
read -r uptime _ </proc/uptime && printf 'uptime %s\n' "$uptime"

ip -o link show 2>/dev/null | sed 's/^/link /'
ip -o addr show 2>/dev/null | sed 's/^/address /'
exit 0
