#!/bin/sh
# Observes the host and changes nothing. Arguments: the paths of the configuration and of the admin socket.
# Output: one fact a line, "key value…"; see package facts. No text that others than root and the account may have chosen can
# forge a line or a part of one: paths are printed only if they consist of usual characters, and process arguments in
# hexadecimal digits.
config=${1:?} socket=${2:?}
account=$(id -u)
haproxy=$(id -u haproxy 2>/dev/null) || haproxy=''

is_usual() {
	case $1 in
	*[!A-Za-z0-9/._+:@,=~-]*) return 1 ;;
	/*) return 0 ;;
	*) return 1 ;;
	esac
}

# GNU's ls prints "?" for unprintable characters of a name only with -q; busybox's always does.
printable=''
ls -d -q / >/dev/null 2>&1 && printable=-q

# Registers a path for say_guards: each folder that leads to it, from the root on, and itself.
ways=' / '
guard() {
	is_usual "$1" || return 0
	way=$1
	while [ -n "$way" ]; do
		case $ways in *" $way "*) return 0 ;; esac
		ways="$ways$way "
		way=${way%/*}
	done
}
# Prints who may change the registered paths, all at once: "guard MODE:UID:GID PATH". The paths have no links; a path that has
# become a link since is skipped.
say_guards() {
	# The paths contain nothing that the shell would split or expand.
	# shellcheck disable=SC2086,SC2012
	ls -ldn $printable $ways 2>/dev/null | while read -r mode _ owner group rest; do
		case $mode in l*) continue ;; esac
		printf 'guard %s:%s:%s %s\n' "$mode" "$owner" "$group" "${rest##* }"
	done
}

real=$(readlink -f "$config" 2>/dev/null) || real=$config
if ! is_usual "$real"; then
	printf '%s leads to a path with unusual characters\n' "$config" >&2
	exit 0
fi
printf 'config %s\n' "$real"
[ -n "${SSH_CONNECTION-}" ] && printf 'connection %s\n' "$SSH_CONNECTION"
printf 'uid %s\n' "$account"
printf 'groups %s\n' "$(id -G)"
[ -n "$haproxy" ] && printf 'haproxyuid %s\n' "$haproxy"
# In a user namespace, files of accounts outside of it seem to belong to this uid, which nobody inside can be.
outside='' map=''
{ read -r map </proc/self/uid_map; } 2>/dev/null
# shellcheck disable=SC2086 # it is three numbers with blanks between them
set -- $map
# The namespace of the host itself maps all accounts.
case $* in '' | '0 0 4294967295') ;; *) outside=$(cat /proc/sys/kernel/overflowuid 2>/dev/null) ;; esac
while [ -n "$outside" ] && read -r first _ count; do
	[ "$outside" -ge "$first" ] && [ "$outside" -lt $((first + count)) ] && outside=''
done 2>/dev/null </proc/self/uid_map
[ -n "$outside" ] && printf 'outsideuid %s\n' "$outside"
guard "${real%/*}"
# With hidepid, /proc shows an ordinary account its own processes only.
[ -d /proc/1 ] || printf 'processeshidden yes\n'
[ -d "${socket%/*}" ] && printf 'socketdirectory yes\n'
[ -n "$haproxy" ] && printf 'user haproxy\n'
grep -q '^haproxy:' /etc/group && printf 'group haproxy\n'
# A job that was killed leaves this file.
{ read -r job _ </run/edgelb-install/job/pid; } 2>/dev/null && [ -d "/proc/$job" ] && printf 'installing yes\n'
while read -r package version _; do
	printf 'installed %s %s\n' "$package" "$version"
done 2>/dev/null </var/lib/edgelb/packages
[ -d /var/lib/haproxy ] && printf 'chroot /var/lib/haproxy\n'
[ -S /dev/log ] && printf 'syslog yes\n'
# The account and the user that starts HAProxy may differ.
if [ -n "$(find -L /etc/resolv.conf -maxdepth 0 -perm -004 2>/dev/null)" ]; then
	printf 'resolvconf all\n'
elif [ -r /etc/resolv.conf ]; then
	printf 'resolvconf account\n'
fi
{ read -r _ </proc/net/if_inet6; } 2>/dev/null && printf 'ipv6 yes\n'

if [ -d /run/systemd/system ]; then
	printf 'init systemd\n'
	unit=$(systemctl cat haproxy.service 2>/dev/null)
elif [ -d /run/openrc ] && command -v rc-service >/dev/null; then
	printf 'init openrc\n'
elif [ -x /etc/init.d/haproxy ]; then
	printf 'init sysv\n'
fi
# The service manager is asked to start or reload HAProxy only if its service runs this very file.
case $config:${unit-} in
/etc/haproxy/haproxy.cfg:* | *:*"$config"*) printf 'service yes\n' ;;
*) grep -qsF -- "$config" /etc/default/haproxy /etc/conf.d/haproxy && printf 'service yes\n' ;;
esac

# Package managers know the file as they have installed it.
is_pristine() {
	if command -v dpkg-query >/dev/null; then
		sum=$(md5sum <"$real")
		dpkg-query -W -f '${Conffiles}\n' haproxy 2>/dev/null | grep -qF -- "$config ${sum%% *}"
	elif command -v rpm >/dev/null; then
		# "PATH SIZE TIME SHA256 …"
		sum=$(sha256sum <"$real")
		rpm -q --dump haproxy 2>/dev/null | grep -F -- "$config " | grep -qF -- " ${sum%% *} "
	elif [ -r /lib/apk/db/installed ] && command -v base64 >/dev/null; then
		# A folder is "F:NAME", a file in it "R:NAME", and "Z:Q1…" after that its SHA-1, in Base64.
		sum=$(sha1sum <"$real" | sed -e 's/ .*//' -e 's/../\\x&/g')
		sum=$(printf '%b' "$sum" | base64)
		name=${config#/}
		awk -v folder="F:${name%/*}" -v file="R:${name##*/}" -v sum="Z:Q1$sum" '
			/^F:/ { inside = $0 == folder }
			/^R:/ { found = inside && $0 == file }
			found && $0 == sum { same = 1 }
			END { exit !same }' /lib/apk/db/installed
	else
		false
	fi
}
# Fedora and its relatives load this folder as well, and ship it empty.
folder=${config%/*}/conf.d
[ -d "$folder" ] && ! ls "$folder"/*.cfg >/dev/null 2>&1 && printf 'emptyfolder %s\n' "$folder"

if [ -s "$real" ]; then
	printf 'exists yes\n'
	sum=$(sha256sum <"$real") && printf 'sha256 %s\n' "${sum%% *}"
	sum=$(sed -e 's/ *#.*//' -e '/^$/d' "$real" | sha256sum) && printf 'settings %s\n' "${sum%% *}"
	first=''
	{ IFS= read -r first <"$real"; } 2>/dev/null
	case $first in
	'# Managed by edgelb.'*) ;;
	*)
		is_pristine && printf 'pristine yes\n'
		;;
	esac
	sed -n -e '1,12s/^#/header #/p' -e 's/^\(frontend [^ ]*\).*/line \1/p' -e 's/^ *\(bind [^ ]*\).*/line \1/p' "$real"
fi
for names in "$real".edgelb-names-*; do
	case ${names#"$real".edgelb-names-} in *[!0-9a-f]*) continue ;; esac
	sum=$(sha256sum <"$names") && printf 'names %s %s\n' "${sum%% *}" "${names#"$real".edgelb-names-}"
done 2>/dev/null

# A long text is split into lines by "for", with these settings: the shell's own read takes one byte at a time, and to cut a piece out of
# a text takes a time that grows with the square of the text's length.
newline='
'
in_lines() { set -f && IFS=$newline; }
in_words() { set +f && unset IFS; }
# Sets pid to that of a path of /proc.
pid_of() {
	pid=${1#/proc/} pid=${pid%%/*}
	case $pid in self) ;; '' | *[!0-9]*) return 1 ;; esac
}
# Reads what these processes execute, and the namespaces that they are in, all at once: there may be many previous workers. It sets
# program_PID, net_PID and ns_PID. Without a target, the account may not see it.
look_up() {
	paths=''
	for pid in "$@"; do
		eval "program_$pid='' net_$pid='' ns_$pid=''"
		paths="$paths /proc/$pid/exe /proc/$pid/ns/net /proc/$pid/ns/pid"
	done
	links=$(list_links)
	in_lines
	for line in $links; do
		# What a process executes may have any name.
		case $line in *' -> '*) ;; *) continue ;; esac
		path=${line%%' -> '*} target=${line#*' -> '}
		path=${path##* }
		pid_of "$path" || continue
		case $path in
		*/ns/net) eval "net_$pid=\$target" ;;
		*/ns/pid) eval "ns_$pid=\$target" ;;
		*/exe)
			# The program of a package that was upgraded since is "PATH (deleted)"; the new program has that path.
			target=${target% (deleted)} && is_usual "$target" && eval "program_$pid=\$target"
			;;
		esac
	done
	in_words
}
# shellcheck disable=SC2086,SC2012 # the paths have no blanks
list_links() { ls -ln $printable $paths 2>/dev/null; }
# Sets program and namespaces to those of a process that was looked up. What the account may not see is "-" and empty.
follow() { eval "program=\${program_$1:--} namespaces=\$net_$1\$ns_$1"; }
# Reads lines of the status and of the limits of processes. It sets parent_PID, uid_PID, capabilities_PID and descriptors_PID.
read_about() {
	for pid in "$@"; do
		eval "parent_$pid='' uid_$pid='' capabilities_$pid='' descriptors_$pid=''"
	done
	about=$(printf '/proc/%s/status\n' "$@" | sed 'p; s/status$/limits/' | xargs grep -e '^PPid:' -e '^Uid:' -e '^CapEff:' -e '^Max open files' /dev/null 2>/dev/null)
	in_lines
	for line in $about; do
		path=${line%%:*} value=${line#*:}
		pid_of "$path" || continue
		case $value in
		PPid:*) eval "parent_$pid=\${value##*[!0-9]}" ;;
		CapEff:*) eval "capabilities_$pid=\${value##*[!0-9a-f]}" ;;
		# The real uid is the first of four.
		Uid:*) value=${value#Uid:?} && eval "uid_$pid=\${value%%[!0-9]*}" ;;
		# "Max open files", the soft limit, the hard one and the unit.
		Max*) eval "descriptors_$pid=\$value" ;;
		esac
	done
	in_words
}
# Prints the arguments of a process, in lines that begin with a blank. A master that re-executes itself, as in each reload, has none
# for a moment, even just after it had some; nor has a process that ends. Only one read returns arguments that belong together, and
# od makes several.
say_arguments() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		arguments=$(dd if="$1/cmdline" bs=65536 count=1 2>/dev/null | od -An -v -tx1)
		[ -n "$arguments" ] && break
		sleep 0.05 || break
	done
	printf '%s\n' "$arguments"
}
# shellcheck disable=SC2046 # these are numbers
set -- $(grep -lx haproxy /proc/[0-9]*/comm 2>/dev/null | sed 's/[^0-9]//g')
read_about "$@"
# Anybody can call a process haproxy. Only these accounts can have started the real one.
processes=''
for pid in "$@"; do
	eval "uid=\$uid_$pid"
	case " 0 $account $haproxy " in *" ${uid:-none} "*) processes="$processes $pid" ;; esac
done
# shellcheck disable=SC2086 # these are numbers
look_up self $processes
follow self
own=$namespaces
parent='' capabilities='' limits=''
for pid in $processes; do
	# The namespaces tell HAProxy processes of containers, which have a /proc entry as well, from the host's own. They are compared
	# if the account may see them.
	follow "$pid"
	[ -z "$namespaces" ] || [ "$namespaces" = "$own" ] || continue
	guard "$program"
	eval "parent=\$parent_$pid uid=\$uid_$pid capabilities=\$capabilities_$pid limits=\$descriptors_$pid"
	# shellcheck disable=SC2086 # it is split into words
	set -- $limits
	printf 'process %s %s %s %s %s %s\n' "$pid" "$parent" "$uid" "$capabilities" "${5:--}" "$program"
	say_arguments "/proc/$pid"
done

# The kernel returns a number of /proc/sys to the first read only, and the shell's own read takes one byte at a time.
most=$(cat /proc/sys/fs/nr_open 2>/dev/null) && printf 'mostdescriptors %s\n' "$most"
if program=$(command -v haproxy) && program=$(readlink -f "$program") && is_usual "$program"; then
	guard "$program"
	printf 'binary %s\n' "$program"
	say_guards
	exit 0
fi

# If no HAProxy is found, report processes that edgelb cannot use: "other PID UID PLACE PROGRAM", with the place "container" or
# "host". Anybody can start such a process: the lines affect messages only. A few are enough.
# shellcheck disable=SC2013 # the paths have no blanks
for dir in $(grep -l -e haproxy -e '^hapee-lb' /proc/[0-9]*/comm 2>/dev/null | sed -e 's/.comm$//' -e 8q); do
	# Other programs have such names as well, such as exporters of metrics, but load no file.
	tr '\000' '\n' 2>/dev/null <"$dir/cmdline" | grep -q -x -e -f || continue
	read -r _ uid _ <<-END
		$(grep '^Uid:' "$dir/status" 2>/dev/null)
	END
	[ -n "$uid" ] || continue
	pid=${dir#/proc/}
	look_up "$pid"
	follow "$pid"
	place=host
	[ -z "$namespaces" ] || [ "$namespaces" = "$own" ] || place=container
	# A container may share the host's processes, and an ordinary account does not see the namespaces of others.
	grep -q -e docker -e libpod -e kubepods -e containerd -e crio -e lxc "$dir/cgroup" 2>/dev/null && place=container
	guard "$program"
	printf 'other %s %s %s %s\n' "${dir#/proc/}" "$uid" "$place" "$program"
done
say_guards
exit 0
