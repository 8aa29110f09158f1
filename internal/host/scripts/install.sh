#!/bin/sh
# Has packages installed by a job that goes on without the connection, and says how far it is. A job that runs is never joined by a second one.
# Arguments: the packages, each of which has a program of its name. Payload: the job, provision.sh and install-job.sh.
# Output: "done" if nothing is missing, or else "running SECONDS PID WHAT", if a job runs, and "failed WORDS", why the last one that has ended
# failed. Exit: 1 without root's rights, 3 if the payload is incomplete, or if it cannot be written.
folder=/run/edgelb-install
job=$folder/job
umask 022
[ "$(id -u)" = 0 ] || { printf 'the account is not root\n' >&2; exit 1; }

has_all() {
	for package in "$@"; do
		command -v "$package" >/dev/null || return 1
		[ "$package" != keepalived ] || id -u keepalived_script >/dev/null 2>&1 || return 1
	done
}
# Prints when a process was started, as the kernel counts; nothing if it is gone.
started() {
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
	# What follows the name, which may have blanks, begins with the third field.
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	[ "$1" = Z ] || printf '%s\n' "${20}"
}
runs() {
	pid='' since='' began=''
	{ read -r pid since began <"$job/pid"; } 2>/dev/null
	[ -n "$began" ] && [ "$(started "$pid")" = "$since" ]
}
# Waits a little, and counts down the fifths of a second that are left.
pause() {
	sleep 0.2 2>/dev/null || { sleep 1 && left=$((left - 4)); }
	left=$((left - 1))
}
start() {
	rm -rf "$job" "$folder/progress"
	cat >"$folder/job.sh" || exit 3
	# The size is less if the connection broke in the middle.
	# shellcheck disable=SC2154 # the loader has set it
	[ "$(wc -c <"$folder/job.sh")" -eq "$payload_size" ] || exit 3
	mkdir "$job" || exit 3
	# Alpine's setsid may run the job in another process than the one that is started here.
	# shellcheck disable=SC2016 # the job's shell expands it
	setsid /bin/sh -c 'printf "%s\n" "$$" >"$0/job/own" && exec /bin/sh "$0/job.sh" "$0" "$@"' "$folder" "$@" </dev/null >"$folder/output" 2>&1 9>&- &
	left=50 own=''
	until { read -r own <"$job/own"; } 2>/dev/null || [ ! -e "$job" ] || [ "$left" -le 0 ]; do
		pause
	done
	printf '%s %s %s\n' "$own" "$(started "$own")" "$(date +%s)" 2>/dev/null >"$job/pid"
}

mkdir -p "$folder" || exit 3
if command -v flock >/dev/null; then exec 9>"$folder/lock" && flock 9; fi
if ! runs; then
	if has_all "$@"; then
		rm -rf "$job" "$folder/result"
		printf 'done\n'
		exit
	fi
	start "$@"
	exec 9>&-
	# If what had failed is repaired, its sentence should not stay for long.
	left=25
	while [ -e "$folder/result" ] && [ -e "$job" ] && [ "$left" -gt 0 ]; do
		pause
	done
fi
if runs; then
	what=''
	{ IFS= read -r what <"$folder/progress"; } 2>/dev/null
	printf 'running %s %s %s\n' "$(($(date +%s) - began))" "$pid" "$what"
elif has_all "$@"; then
	printf 'done\n'
	exit
fi
[ ! -e "$folder/result" ] || head -n 1 "$folder/result"
exit 0
