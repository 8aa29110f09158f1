# shellcheck shell=sh
# Runs a command when this host becomes master of a virtual router, and again until it succeeds: keepalived runs this, as an account without
# rights, whenever the state of the virtual router changes, and edgelb does if that did not happen. $state is the new state; in any other
# than MASTER, the command is ended. The lines above set it, and all that the command gets: its words are the arguments.
# notice-INSTANCE in $work has the result in one line: "ID ran|running|failed|left EXIT SECONDS SECRET WORDS", with the time since the machine
# was started, what identifies the Secret that the command got, and the end of its output. A later run takes turn-INSTANCE, and the former one
# gives up.
limit=30
work=${work:?} config=${config:?} alive=${alive:?} state=${state:?} EDGELB_INSTANCE=${EDGELB_INSTANCE:?}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL EDGELB_STATE="$state" EDGELB_INSTANCE EDGELB_INTERFACE EDGELB_ADDRESSES EDGELB_SECRET
umask 077
id=${0##*/notify-} id=${id%.sh} secret=- words=''
read -r now _ </proc/uptime
turn="$$ $now"

# Writes a file of this instance as a whole.
put() {
	printf '%s\n' "$2" >"$work/new-$$" && mv -f "$work/new-$$" "$work/$1-$EDGELB_INSTANCE"
}
say() {
	read -r now _ </proc/uptime
	put notice "$id $1 $2 $now $secret $words"
}
# The output may have values of the Secret, which edgelb leaves out if it has the same ones: keepalived.SecretFiles.ID.
identify_secret() {
	[ -n "$EDGELB_SECRET" ] || return 0
	secret=$(cd "$EDGELB_SECRET" && find . -type f -exec sha256sum {} + | sort | sha256sum | cut -c 1-16)
	secret=${secret:--}
} 2>/dev/null
is_mine() {
	holder=''
	{ read -r holder <"$work/turn-$EDGELB_INSTANCE"; } 2>/dev/null
	[ "$holder" = "$turn" ]
}
# Ends a process with all that it has started. Of a former run it may be gone, and another process may have its number.
end() {
	case $1 in '' | *[!0-9]*) return ;; esac
	tr '\0' '\n' 2>/dev/null <"/proc/$1/environ" | grep -qxF "EDGELB_INSTANCE=$EDGELB_INSTANCE" || return 0
	kill -KILL "-$1" || kill -KILL "$1"
} 2>/dev/null
attempt() {
	pipe=$work/pipe-$$ output=$work/output-$$
	rm -f "$pipe" "$output"
	identify_secret
	mkfifo "$pipe" || return 1
	# The output may be endless, and a process that the command leaves behind may keep the pipe open.
	timeout "$((limit + 5))" tail -c 1000 <"$pipe" >"$output" 2>/dev/null &
	reader=$!
	(cd "${EDGELB_SECRET:-/}" && exec setsid timeout -s KILL "$limit" "$@") >"$pipe" 2>&1 </dev/null &
	child=$!
	put child "$child"
	is_mine || end "$child"
	wait "$child" 2>/dev/null
	status=$?
	# What the command has left behind in its group ends with it.
	kill -KILL "-$child" 2>/dev/null
	wait "$reader"
	words=$(tr '\r\t' '\n ' <"$output" | tr -cd ' -~\n' | grep '[^ ]' | tail -n 1)
	rm -f "$pipe" "$output"
	return "$status"
}
# A failed command is not run again once keepalived has another command, or is gone: nobody knows then who has the addresses.
goes_on() {
	is_mine && grep -qF -- "$0" "$config" && is_alive
} 2>/dev/null
is_alive() {
	program='' checked=''
	read -r pid </run/keepalived.pid && read -r program <"/proc/$pid/comm"
	[ "$program" != keepalived ] || return 0
	# Its file may be elsewhere; its check writes a result each second.
	read -r _ _ checked <"$alive"
	read -r now _ </proc/uptime
	case ${checked%.*} in '' | *[!0-9]*) return 1 ;; esac
	[ "$((${now%.*} - ${checked%.*}))" -le 10 ]
} 2>/dev/null

former=''
{ read -r former <"$work/child-$EDGELB_INSTANCE"; } 2>/dev/null
put turn "$turn"
end "$former"
if [ "$state" != MASTER ]; then
	say left -
	exit 0
fi
say running -
pause=1
while :; do
	attempt "$@"
	status=$?
	is_mine || exit 0
	if [ "$status" -eq 0 ]; then
		say ran 0
		exit 0
	fi
	say failed "$status"
	sleep "$pause"
	goes_on || exit "$status"
	[ "$pause" -ge 16 ] || pause=$((pause * 2))
done
