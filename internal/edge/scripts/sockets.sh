#!/bin/sh
# Shows which addresses the host has and who listens on some ports. Input: a line of ports in hex (" 01BB 0050 "); the name of
# an abstract unix socket as in /proc/net/unix, empty for none.
# Output: "local4 ADDRESS/BITS", "if6 …" as in /proc/net/if_inet6, "listen tcp|tcp6 ADDRESS:PORT INODE" in the kernel's
# hex, "listen unix NAME INODE", "owner INODE PID NAME", and sysctls.
IFS= read -r ports
IFS= read -r socket

for name in ipv4/ip_unprivileged_port_start ipv4/ip_nonlocal_bind ipv6/ip_nonlocal_bind; do
	{ read -r value <"/proc/sys/net/$name"; } 2>/dev/null && echo "sysctl $name $value"
done

# A line with the address, then one that says that it is local.
address=''
while read -r first second third rest; do
	case "$first $third" in
	"|-- "* | "+-- "*) address=$second ;;
	*" LOCAL") echo "local4 ${address%/*}$first" ;;
	esac
done 2>/dev/null </proc/net/fib_trie
[ -r /proc/net/if_inet6 ] && sed 's/^/if6 /' /proc/net/if_inet6

listen=$(for table in tcp tcp6; do
	[ -r "/proc/net/$table" ] || continue
	# 0A is the state LISTEN
	grep ' 0A ' "/proc/net/$table" | while read -r _ local _ _ _ _ _ _ _ inode _; do
		case "$ports" in *" ${local##*:} "*) echo "listen $table $local $inode" ;; esac
	done
done
# Of a connection that is not accepted yet the inode is 0. A name may be that of one socket of each type; 0001 is a stream.
[ -z "$socket" ] || grep -F -- "$socket" /proc/net/unix | while read -r _ _ _ _ type _ inode name; do
	[ "$name $type" = "$socket 0001" ] && [ "$inode" != 0 ] && echo "listen unix $name $inode"
done)
[ -n "$listen" ] || exit 0
echo "$listen"

inodes=" $(echo "$listen" | while read -r _ _ _ inode; do printf '%s ' "$inode"; done)"
# One ls for all processes: a fork for each of a busy HAProxy's connections would take seconds.
# shellcheck disable=SC2012 # the names are numbers
ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
	case $line in
	/proc/*/fd:)
		pid=${line#/proc/}
		pid=${pid%/fd:}
		;;
	*'socket:['*)
		inode=${line##*'socket:['}
		inode=${inode%]}
		case "$inodes" in *" $inode "*)
			{ read -r name <"/proc/$pid/comm"; } 2>/dev/null && echo "owner $inode $pid $name"
			;;
		esac
		;;
	esac
done
exit 0
