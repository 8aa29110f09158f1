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
	ls -ldn $printable $ways 2>/dev/null | while read -r mode _ uid gid rest; do
		case $mode in l*) continue ;; esac
		printf 'guard %s:%s:%s %s\n' "$mode" "$uid" "$gid" "${rest##* }"
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
		# Debian's package manager knows the file as it was installed.
		sum=$(md5sum <"$real")
		dpkg-query -W -f '${Conffiles}\n' haproxy 2>/dev/null | grep -qF -- "$config ${sum%% *}" && printf 'pristine yes\n'
		;;
	esac
	sed -n -e '1,12s/^#/header #/p' -e 's/^\(frontend [^ ]*\).*/line \1/p' -e 's/^ *\(bind [^ ]*\).*/line \1/p' "$real"
fi
for names in "$real".edgelb-names-*; do
	case ${names#"$real".edgelb-names-} in *[!0-9a-f]*) continue ;; esac
	sum=$(sha256sum <"$names") && printf 'names %s %s\n' "${sum%% *}" "${names#"$real".edgelb-names-}"
done 2>/dev/null

newline='
'
# Reads what these processes execute, and the namespaces that they are in, all at once: there may be many previous workers.
look_up() {
	known=' ' paths=''
	for dir in "$@"; do
		paths="$paths $dir/exe $dir/ns/net $dir/ns/pid"
	done
	while IFS= read -r line; do
		# What a process executes may have any name. Without a target, the account may not see it.
		case $line in *' -> '*) ;; *) continue ;; esac
		path=${line%%' -> '*} target=${line#*' -> '}
		# The program of a package that was upgraded since is "PATH (deleted)"; the new program has that path.
		case $path in *' '/proc/*/exe) target=${target% (deleted)} && is_usual "$target" || target=- ;; esac
		known="$known${path##* }=$target "
	done <<-END
		$(list_links)
	END
}
# shellcheck disable=SC2086,SC2012 # the paths have no blanks
list_links() { ls -ln $printable $paths 2>/dev/null; }
# Sets program and namespaces to those of a process that was looked up. What the account may not see is "-" and empty.
follow() {
	link "$1/exe" && program=${target:--}
	link "$1/ns/net" && namespaces=$target
	link "$1/ns/pid" && namespaces="$namespaces$target"
}
link() {
	target=${known#*" $1="}
	[ "$target" != "$known" ] || target=''
	target=${target%% *}
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
# Sets value to what follows these words in a line about processes.
field() {
	value=${about#*"$1"}
	[ "$value" != "$about" ] || value=''
	value=${value%%"$newline"*}
}
processes=$(grep -lx haproxy /proc/[0-9]*/comm 2>/dev/null | sed 's/.comm$//')
# shellcheck disable=SC2086 # the paths have no blanks
look_up /proc/self $processes
follow /proc/self
own=$namespaces
# The shell's own read takes one byte at a time.
files=''
for dir in $processes; do
	files="$files $dir/status $dir/limits"
done
# shellcheck disable=SC2086 # the paths have no blanks
about=$(grep -e '^PPid:' -e '^Uid:' -e '^CapEff:' -e '^Max open files' /dev/null $files 2>/dev/null)
for dir in $processes; do
	field "$dir/status:PPid:" && parent=${value##*[!0-9]}
	field "$dir/status:CapEff:" && capabilities=${value##*[!0-9a-f]}
	# shellcheck disable=SC2086 # these are numbers
	field "$dir/status:Uid:" && set -- $value && uid=${1-}
	# shellcheck disable=SC2086 # a number or a word, for more and for most
	field "$dir/limits:Max open files" && set -- $value && descriptors=${2-}
	# Anybody can call a process haproxy. Only these accounts can have started the real one.
	case " 0 $account $haproxy " in *" ${uid:-none} "*) ;; *) continue ;; esac
	# The namespaces tell HAProxy processes of containers, which have a /proc entry as well, from the host's own. They are compared
	# if the account may see them.
	follow "$dir"
	[ -z "$namespaces" ] || [ "$namespaces" = "$own" ] || continue
	guard "$program"
	printf 'process %s %s %s %s %s %s\n' "${dir#/proc/}" "$parent" "$uid" "$capabilities" "${descriptors:--}" "$program"
	say_arguments "$dir"
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
	look_up "$dir"
	follow "$dir"
	place=host
	[ -z "$namespaces" ] || [ "$namespaces" = "$own" ] || place=container
	# A container may share the host's processes, and an ordinary account does not see the namespaces of others.
	grep -q -e docker -e libpod -e kubepods -e containerd -e crio -e lxc "$dir/cgroup" 2>/dev/null && place=container
	guard "$program"
	printf 'other %s %s %s %s\n' "${dir#/proc/}" "$uid" "$place" "$program"
done
say_guards
exit 0
