#!/bin/sh
# Shows which addresses the host has and who listens on some ports. Argument: a line of ports in hex (" 01BB 0050 ").
# Output: "local4 ADDRESS/BITS", "if6 …" as in /proc/net/if_inet6, "listen tcp|tcp6 ADDRESS:PORT INODE" in the kernel's hex,
# "owner INODE PID NAME" with "?" for a name of unusual characters, and "sysctl FILE:VALUE".
ports=$1

# The kernel returns a number of /proc/sys to the first read only, and the shell's own read takes one byte at a time.
(cd /proc/sys/net && grep -s . ipv4/ip_unprivileged_port_start ipv4/ip_nonlocal_bind ipv6/ip_nonlocal_bind) | sed 's/^/sysctl /'

# A line with the address, then one that says that it is local.
awk '
	$1 == "|--" || $1 == "+--" { address = $2; sub(/\/.*/, "", address) }
	$3 == "LOCAL" { print "local4 " address $1 }' /proc/net/fib_trie 2>/dev/null
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
ls -ln $printable /proc/[0-9]*/fd 2>/dev/null | awk -v inodes="$inodes" '
	/^\/proc\/[0-9]+\/fd:$/ { split($0, path, "/"); pid = path[3]; next }
	{
		# After the number of the descriptor comes its target: of a file, a path.
		target = substr($0, index($0, " -> ") + 4)
		if (target !~ /^socket:\[[0-9]+\]$/) next
		inode = substr(target, 9, length(target) - 9)
		if (!index(inodes, " " inode " ")) next
		comm = "/proc/" pid "/comm"
		read = getline name <comm
		close(comm)
		if (read <= 0) next
		if (name ~ /[^A-Za-z0-9\/._+:@-]/) name = "?"
		print "owner", inode, pid, name
	}'
exit 0
