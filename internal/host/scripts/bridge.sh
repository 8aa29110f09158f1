#!/bin/sh
# Connects stdin and stdout to a unix socket, for when sshd does not forward to it. Arguments: the socket's path.
# Output: a line that is "connected", or "failed" and why; after "connected", the output of the socket.
socket=$1
if command -v perl >/dev/null; then
	exec perl -MIO::Socket::UNIX -MIO::Select -e '
		my $s = IO::Socket::UNIX->new($ARGV[0]);
		if (!$s) { print "failed $ARGV[0]: $!\n"; exit 1; }
		syswrite(STDOUT, "connected\n");
		my $watch = IO::Select->new($s, \*STDIN);
		while (1) {
			for my $from ($watch->can_read) {
				my $n = sysread($from, my $data, 65536);
				if ($from == $s) {
					exit 0 unless $n;
					syswrite(STDOUT, $data);
				} elsif ($n) {
					syswrite($s, $data);
				} else {
					$watch->remove(\*STDIN);
					$s->shutdown(1);
				}
			}
		}' "$socket"
elif command -v socat >/dev/null; then
	# socat does not report when it is connected. If it fails, nothing follows.
	printf 'connected\n'
	exec socat -t 30 - "UNIX-CONNECT:$socket"
fi
printf 'failed sshd does not forward to %s, and neither perl nor socat is installed to do so\n' "$socket"
