#!/bin/sh
# Shows which addresses the host has and who listens on some ports. Argument: a line of ports in hex (" 01BB 0050 ").
# Output: "local4 ADDRESS/BITS", "if6 …" as in /proc/net/if_inet6, "listen tcp|tcp6 ADDRESS:PORT INODE" in the kernel's hex,
# "owner INODE PID NAME" with "?" for a name of unusual characters, and "sysctl FILE:VALUE".
ports=$1

# The kernel returns a number of /proc/sys to the first read only, and the shell's own read takes one byte at a time.
(cd /proc/sys/net && grep -s . ipv4/ip_unprivileged_port_start ipv4/ip_nonlocal_bind ipv6/ip_nonlocal_bind) | sed 's/^/sysctl /'

# A line with the address, then one that says that it is local.
address=''
while read -r first second third rest; do
	case "$first $third" in
	"|-- "* | "+-- "*) address=$second ;;
	*" LOCAL") printf 'local4 %s\n' "${address%/*}$first" ;;
	esac
done 2>/dev/null </proc/net/fib_trie
[ -r /proc/net/if_inet6 ] && sed 's/^/if6 /' /proc/net/if_inet6

listen=$(for table in tcp tcp6; do
	[ -r "/proc/net/$table" ] || continue
	# 0A is the state LISTEN
	grep ' 0A ' "/proc/net/$table" | while read -r _ local _ _ _ _ _ _ _ inode _; do
		case "$ports" in *" ${local##*:} "*) printf 'listen %s %s %s\n' "$table" "$local" "$inode" ;; esac
	done
done)
[ -n "$listen" ] || exit 0
printf '%s\n' "$listen"

inodes=" $(printf '%s\n' "$listen" | while read -r line; do printf '%s ' "${line##* }"; done)"
# Anybody may open a file with any name. GNU's ls prints "?" for unprintable characters only with -q; busybox's always does.
printable=''
ls -d -q / >/dev/null 2>&1 && printable=-q
# One ls for all processes: a fork for each connection of a busy HAProxy would take seconds.
# shellcheck disable=SC2012,SC2086 # the names are numbers; there may be no option
ls -ln $printable /proc/[0-9]*/fd 2>/dev/null | while IFS= read -r line; do
	case $line in
	/proc/*/fd:)
		pid=${line#/proc/}
		pid=${pid%/fd:}
		;;
	*' -> '*)
		# After the descriptor's number comes its target: of a file, a path.
		open=${line#*' -> '}
		inode=${open#'socket:['}
		[ "$open" != "$inode" ] || continue
		inode=${inode%]}
		case "$inodes" in *" $inode "*)
			{ IFS= read -r name <"/proc/$pid/comm"; } 2>/dev/null || continue
			case $name in *[!A-Za-z0-9/._+:@-]*) name='?' ;; esac
			printf 'owner %s %s %s\n' "$inode" "$pid" "$name"
			;;
		esac
		;;
	esac
done
exit 0
