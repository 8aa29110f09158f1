#!/bin/sh
# Observes the host and changes nothing. Arguments: the paths of the configuration and of the admin socket.
# Output: one fact a line, "key value…"; see package facts. No text that others than root and the account may have chosen can
# forge a line or a part of one: paths are printed only if they consist of usual characters, and process arguments in
# hexadecimal digits.
# Hosts are observed often, and what costs most is to start processes, so one grep, ls or sha256sum is asked all that it can answer.
config=${1:?} socket=${2:?}

is_usual() {
	case $1 in
	*[!A-Za-z0-9/._+:@,=~-]*) return 1 ;;
	/*) return 0 ;;
	*) return 1 ;;
	esac
}

# A long text is split into lines by "for", with these settings: the shell's own read takes one byte at a time, and to cut a piece out of
# a text takes a time that grows with the square of the text's length.
newline='
'
in_lines() { set -f && IFS=$newline; }
in_words() { set +f && unset IFS; }

# Sets real to the path without symbolic links; empty if it leads nowhere.
resolve() {
	real=$1 way=$1
	case $1/ in *//* | */./* | */../* | [!/]*) real='' ;; esac
	while [ -n "$real" ] && [ -n "$way" ]; do
		[ ! -L "$way" ] || real=''
		way=${way%/*}
	done
	[ -n "$real" ] || real=$(readlink -f "$1" 2>/dev/null)
}

# Prints "PATH:LINE" for the lines of files that match one of some patterns, which are separated by newlines. If the paths are too many for
# one command line, the shell reports 126: any account can start many processes.
search() {
	patterns=$1
	shift
	grep -sx -e "$patterns" /dev/null "$@" 2>/dev/null
	[ $? -lt 126 ] || printf '%s\n' "$@" | xargs grep -sx -e "$patterns" /dev/null 2>/dev/null
}

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
	listed=$(ls -ldn $printable $ways 2>/dev/null)
	in_lines
	for line in $listed; do
		case $line in l*) continue ;; esac
		# Still without the expansion of file names.
		unset IFS
		# shellcheck disable=SC2086 # it is split into words
		set -- $line
		printf 'guard %s:%s:%s %s\n' "$1" "$3" "$4" "${line##* }"
	done
	in_words
}

resolve "$config"
[ -n "$real" ] || real=$config
if ! is_usual "$real"; then
	printf '%s leads to a path with unusual characters\n' "$config" >&2
	exit 0
fi
printf 'config %s\n' "$real"
[ -n "${SSH_CONNECTION-}" ] && printf 'connection %s\n' "$SSH_CONNECTION"
guard "${real%/*}"

# Sets pid to that of a path of /proc.
pid_of() {
	pid=${1#/proc/} pid=${pid%%/*}
	case $pid in self) ;; '' | *[!0-9]*) return 1 ;; esac
}
# The accounts, numbers of the kernel, and the processes called haproxy. Each line is taken for what its path says, since anybody can start
# processes of any name.
account='' groups='' haproxy='' outside='' maps='' named=''
found=$(search "haproxy${newline}haproxy:.*${newline}[0-9 ]*${newline}[UG]id:.*${newline}Groups:.*" \
	/etc/passwd /etc/group /proc/self/status /proc/self/uid_map /proc/sys/kernel/overflowuid /proc/sys/fs/nr_open /proc/[0-9]*/comm)
in_lines
for line in $found; do
	value=${line#*:}
	case $line in
	/proc/[0-9]*/comm:haproxy) pid_of "$line" && named="$named $pid" ;;
	/proc/[0-9]*) ;;
	# The effective id is the second of four.
	/proc/self/status:Uid:*) value=${value#Uid:?} value=${value#*[!0-9]} account=${value%%[!0-9]*} ;;
	/proc/self/status:Gid:*) value=${value#Gid:?} value=${value#*[!0-9]} groups=${value%%[!0-9]*} ;;
	/proc/self/status:Groups:*) groups="$groups ${value#Groups:?}" ;;
	/proc/self/uid_map:*) maps=$maps$newline$value ;;
	/proc/sys/kernel/overflowuid:*) outside=$value ;;
	/proc/sys/fs/nr_open:*) printf 'mostdescriptors %s\n' "$value" ;;
	/etc/passwd:haproxy:*) value=${value#*:*:} haproxy=${value%%:*} ;;
	/etc/group:haproxy:*) printf 'group haproxy\n' ;;
	esac
done
# A kernel without user namespaces has no maps.
[ -n "$maps" ] || outside=''
# In a user namespace, files of accounts outside of it seem to belong to the uid "outside", which nobody inside can be.
for line in $maps; do
	in_words
	# shellcheck disable=SC2086 # it is three numbers with blanks between them: the first inside, the first outside, how many
	set -- $line
	# The namespace of the host itself maps all accounts.
	case $* in '0 0 4294967295') outside='' ;; esac
	[ -n "$outside" ] && [ "$outside" -ge "$1" ] && [ "$outside" -lt $(($1 + $3)) ] && outside=''
done
in_words
# An account may be known to others than /etc/passwd.
[ -n "$haproxy" ] || haproxy=$(id -u haproxy 2>/dev/null)
printf 'uid %s\ngroups %s\n' "$account" "$groups"
[ -n "$outside" ] && printf 'outsideuid %s\n' "$outside"
[ -n "$haproxy" ] && printf 'haproxyuid %s\nuser haproxy\n' "$haproxy"

# With hidepid, /proc shows an ordinary account its own processes only.
[ -d /proc/1 ] || printf 'processeshidden yes\n'
[ -d "${socket%/*}" ] && printf 'socketdirectory yes\n'
# A job that was killed leaves this file.
{ read -r job _ </run/edgelb-install/job/pid; } 2>/dev/null && [ -d "/proc/$job" ] && printf 'installing yes\n'
while read -r package version _; do
	printf 'installed %s %s\n' "$package" "$version"
done 2>/dev/null </var/lib/edgelb/packages
[ -d /var/lib/haproxy ] && printf 'chroot /var/lib/haproxy\n'
[ -S /dev/log ] && printf 'syslog yes\n'
{ read -r _ </proc/net/if_inet6; } 2>/dev/null && printf 'ipv6 yes\n'
# GNU's ls prints "?" for unprintable characters of a name only with -q; busybox's always does, and some do not know the option.
printable=-q
# shellcheck disable=SC2012 # not every stat has -c
listed=$(ls -ldnLq / /etc/resolv.conf 2>/dev/null)
[ -n "$listed" ] || { printable='' listed=$(ls -ldnL /etc/resolv.conf 2>/dev/null); }
# The account and the user that starts HAProxy may differ.
case ${listed##*"$newline"} in
-??????r*) printf 'resolvconf all\n' ;;
*) [ -r /etc/resolv.conf ] && printf 'resolvconf account\n' ;;
esac

if [ -d /run/systemd/system ]; then
	printf 'init systemd\n'
elif [ -d /run/openrc ] && command -v rc-service >/dev/null; then
	printf 'init openrc\n'
elif [ -x /etc/init.d/haproxy ]; then
	printf 'init sysv\n'
fi
# The service manager is asked to start or reload HAProxy only if its service runs this very file.
if [ "$config" = /etc/haproxy/haproxy.cfg ] || grep -qsF -- "$config" /etc/default/haproxy /etc/conf.d/haproxy; then
	printf 'service yes\n'
elif [ -d /run/systemd/system ]; then
	systemctl cat haproxy.service 2>/dev/null | grep -qF -- "$config" && printf 'service yes\n'
fi

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

# Prints the hashes of the map files, and of the configuration if its path is given.
say_sums() {
	for names in "$real".edgelb-names-*; do
		case ${names#"$real".edgelb-names-} in *[!0-9a-f]*) ;; *) set -- "$@" "$names" ;; esac
	done
	[ $# -gt 0 ] || return 0
	sums=$(sha256sum "$@" 2>/dev/null)
	in_lines
	for line in $sums; do
		case $line in
		*.edgelb-names-*) printf 'names %s %s\n' "${line%% *}" "${line##*.edgelb-names-}" ;;
		*) printf 'sha256 %s\n' "${line%% *}" ;;
		esac
	done
	in_words
}
# Prints what is in the configuration. It is open as descriptor 3, and what is read for these facts is that very file: another one may be given
# its path meanwhile, by a script of an operator that was killed, and facts of both would look like a file that somebody has edited.
say_file() {
	printf 'settings '
	sed -e 's/ *#.*//' -e '/^$/d' /proc/self/fd/3 | sha256sum || printf '\n'
	first=''
	IFS= read -r first <&3
	case $first in
	'# Managed by edgelb.'*) ;;
	*)
		is_pristine && printf 'pristine yes\n'
		;;
	esac
	sed -n -e '1,12s/^#/header #/p' -e 's/^\(frontend [^ ]*\).*/line \1/p' -e 's/^ *\(bind [^ ]*\).*/line \1/p' /proc/self/fd/3
	say_sums /proc/self/fd/3
}
if [ -s "$real" ]; then
	printf 'exists yes\n'
	say_file 3<"$real"
else
	say_sums
fi

# Reads what these processes execute, and the namespaces that they are in, all at once: there may be many previous workers. It sets
# program_PID, net_PID and ns_PID. Without a target, the account may not see it.
look_up() {
	paths=''
	for pid in "$@"; do
		eval "program_$pid='' net_$pid='' ns_$pid=''"
		paths="$paths /proc/$pid/exe /proc/$pid/ns/net /proc/$pid/ns/pid"
	done
	# shellcheck disable=SC2086,SC2012 # the paths have no blanks
	links=$(ls -ln $printable $paths 2>/dev/null)
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
# Sets program and namespaces to those of a process that was looked up. What the account may not see is "-" and empty.
follow() { eval "program=\${program_$1:--} namespaces=\$net_$1\$ns_$1"; }
# Reads lines of the status and of the limits of processes. It sets parent_PID, uid_PID, capabilities_PID and descriptors_PID.
read_about() {
	[ $# -gt 0 ] || return 0
	wanted="PPid:.*${newline}Uid:.*${newline}CapEff:.*${newline}Max open files.*"
	for pid in "$@"; do
		eval "parent_$pid='' uid_$pid='' capabilities_$pid='' descriptors_$pid=''"
	done
	# shellcheck disable=SC2046 # these are paths of numbers
	about=$(search "$wanted" $(printf '/proc/%s/status ' "$@" && printf '/proc/%s/limits ' "$@"))
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
# shellcheck disable=SC2086 # these are numbers
read_about $named
# Anybody can call a process haproxy. Only these accounts can have started the real one.
processes=' '
for pid in $named; do
	eval "uid=\$uid_$pid"
	case " 0 $account $haproxy " in *" ${uid:-none} "*) processes="$processes$pid " ;; esac
done
# shellcheck disable=SC2086 # these are numbers
look_up self $processes
follow self
own=$namespaces
program='' parent='' capabilities='' limits='' known=' '
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
	# What a process has forked has the arguments of that process, if those are known.
	same=$program$namespaces arguments=''
	case $known in
	*" $parent "*)
		follow "$parent"
		[ "$program$namespaces" != "$same" ] || arguments=inherited
		;;
	esac
	[ -n "$arguments" ] || say_arguments "/proc/$pid"
	[ -z "$arguments" ] || known="$known$pid "
done

set -f
IFS=:
for folder in $PATH; do
	{ [ -f "$folder/haproxy" ] && [ -x "$folder/haproxy" ]; } || continue
	in_words
	resolve "$folder/haproxy"
	is_usual "$real" || break
	guard "$real"
	printf 'binary %s\n' "$real"
	say_guards
	exit 0
done
in_words

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
