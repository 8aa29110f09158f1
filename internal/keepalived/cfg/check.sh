#!/bin/sh
# Checks that HAProxy answers: keepalived runs this once a second, as an account without rights. Arguments: the path of a socket on which
# HAProxy answers commands; the hash of the configuration that keepalived has loaded; a folder for the result.
# Exit: 0 if HAProxy answers. It fails if two of its questions in a row get no answer: one can fall into a reload of HAProxy. A question
# for which the check itself got no time says nothing: a host that is busy does not lose its addresses for that.
# A run asks all the time until the next one: keepalived alone would take a second to notice that HAProxy is gone. It must have ended by then,
# however late it got to its first question: keepalived leaves a run out, and nobody asks for a second, if the one before goes on.
# The result is one line, "HASH ok|failed SECONDS", with the time since the machine was started. It shows that this check is run at all. It is
# written last: keepalived learns the same from the exit status, and leaves or enters FAULT at the first one that says so.
socket=${1:?} hash=${2:?} folder=${3:?}

if command -v perl >/dev/null; then
	exec perl -MSocket -MFcntl -e '
		my ($socket, $hash, $folder) = @ARGV;
		my ($every, $patience, $length) = (0.1, 0.45, 0.85);
		$SIG{PIPE} = "IGNORE";
		sub now { open(my $f, "<", "/proc/uptime") or return 0; (split(" ", <$f>))[0] }
		# Field 22 of stat, in hundredths of a second; the first two may have blanks.
		sub started { open(my $f, "<", "/proc/self/stat") or return now(); (split(" ", <$f> =~ s/.*\) //sr))[19] / 100 }
		sub say_result {
			my $new = "$folder/check.$$";
			open(my $f, ">", $new) or return;
			print $f "$hash $_[0] " . now() . "\n";
			close($f) && rename($new, "$folder/check");
		}
		sub answers {
			socket(my $s, PF_UNIX, SOCK_STREAM, 0) or return 0;
			fcntl($s, F_SETFL, O_NONBLOCK);
			connect($s, pack_sockaddr_un($socket)) or return 0;
			my $question = "show version\n";
			(syswrite($s, $question) || 0) == length($question) or return 0;
			my $ready = "";
			vec($ready, fileno($s), 1) = 1;
			select($ready, undef, undef, $patience);
			return sysread($s, my $answer, 4096);
		}
		my ($end, $missed) = (started() + $length, 0);
		while (1) {
			my $asked = now();
			if (answers()) {
				$missed = 0;
			} elsif (now() - $asked < 2 * $patience && ++$missed == 2) {
				say_result("failed");
				exit 1;
			}
			# The last question may not stay the only one without an answer.
			last if now() + $every >= $end && !$missed;
			select(undef, undef, undef, $every);
		}
		say_result("ok");' "$socket" "$hash" "$folder"
fi
if command -v python3 >/dev/null; then
	exec python3 -c '
import os, socket, sys, time
path, config, folder = sys.argv[1:4]
every, patience, length = 0.1, 0.45, 0.85
def now():
    with open("/proc/uptime") as f:
        return float(f.read().split()[0])
def started():
    with open("/proc/self/stat") as f:
        return int(f.read().rpartition(") ")[2].split()[19]) / 100
def say_result(result):
    new = "%s/check.%d" % (folder, os.getpid())
    try:
        with open(new, "w") as f:
            f.write("%s %s %.2f\n" % (config, result, now()))
        os.rename(new, folder + "/check")
    except OSError:
        pass
def answers():
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(patience)
            s.connect(path)
            s.sendall(b"show version\n")
            return len(s.recv(4096)) > 0
    except OSError:
        return False
end, missed = started() + length, 0
while True:
    asked = now()
    if answers():
        missed = 0
    elif now() - asked < 2 * patience:
        missed += 1
        if missed == 2:
            say_result("failed")
            sys.exit(1)
    if now() + every >= end and missed == 0:
        break
    time.sleep(every)
say_result("ok")
' "$socket" "$hash" "$folder"
fi

# The other tools need a process for each question. Some shells report each that they had to end.
exec 2>/dev/null
say_result() {
	read -r uptime _ </proc/uptime
	[ -w "$folder" ] && printf '%s %s %s\n' "$hash" "$1" "$uptime" >"$folder/check.$$" && mv -f "$folder/check.$$" "$folder/check"
}
answers() {
	if command -v socat >/dev/null; then
		answer=$(printf 'show version\n' | timeout 2 socat -t 0.45 - "UNIX-CONNECT:$socket")
	else
		answer=$(printf 'show version\n' | timeout 2 nc -w 1 -U "$socket")
	fi
	[ -n "$answer" ]
}
missed=0 left=4
while :; do
	left=$((left - 1))
	if answers; then
		missed=0
	else
		missed=$((missed + 1))
		if [ "$missed" -eq 2 ]; then
			say_result failed
			exit 1
		fi
	fi
	if [ "$left" -le 0 ] && [ "$missed" -eq 0 ]; then break; fi
	sleep 0.2 || sleep 1
done
say_result ok
exit 0
