#!/bin/sh
# Makes the folder $2 a copy of the Debian root $1 that has the distribution's keepalived as well. Requires root. An existing
# folder is not changed.
# With $3, that file becomes a program that runs the root's keepalived on this machine; it requires root, as keepalived does.
set -eu

from=${1:?usage: keepalived-root.sh ROOT FOLDER [KEEPALIVED]}
out=${2:?the folder to make}
wrapper=${3:-}

# It sees this machine's files, except /usr and /etc/keepalived, where it looks for keepalived.config-opts.
write_wrapper() {
	cat >"$wrapper.new" <<SH
#!/bin/sh
root=\$(dirname "\$0")/$(realpath --no-symlinks --relative-to="$(dirname "$wrapper")" "$out")
exec unshare --mount sh -euc 'mount --bind "\$0/etc/keepalived" /etc/keepalived; mount --bind "\$0/usr" /usr; exec /usr/sbin/keepalived "\$@"' "\$root" "\$@"
SH
	chmod 755 "$wrapper.new"
	mv "$wrapper.new" "$wrapper"
}

if [ ! -d "$out" ]; then
	[ "$(id -u)" = 0 ] || { echo "keepalived-root.sh: making a Debian root needs root; run it with sudo" >&2; exit 1; }
	[ -d "$from/usr" ] || { printf 'keepalived-root.sh: there is no Debian root %s; make one with hack/debian-root.sh\n' "$from" >&2; exit 1; }
	eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
	export http_proxy https_proxy DEBIAN_FRONTEND=noninteractive

	work=$(mktemp -d "$out.XXXXXX")
	trap 'rm -rf --one-file-system "$work" "$work.log"' EXIT
	trap 'exit 1' INT TERM HUP
	printf 'installing keepalived into %s (once, some seconds)\n' "$out" >&2
	cp -a --reflink=auto "$from/." "$work"
	cp -L /etc/resolv.conf "$work/etc/resolv.conf"

	# No service may start: it would be one of this machine.
	printf '#!/bin/sh\nexit 101\n' >"$work/usr/sbin/policy-rc.d"
	chmod 755 "$work/usr/sbin/policy-rc.d"
	in_root() { chroot "$work" "$@" </dev/null >>"$work.log" 2>&1 || { cat "$work.log" >&2; exit 1; }; }
	in_root apt-get -qq -o APT::Sandbox::User=root update
	in_root apt-get -qq -o APT::Sandbox::User=root --yes --no-install-recommends install keepalived
	rm "$work/usr/sbin/policy-rc.d"

	find "$work/var/cache/apt" "$work/var/lib/apt/lists" -type f -delete
	rm -rf "$work"/usr/share/doc/* "$work"/usr/share/man/* "$work"/usr/share/locale/* "$work"/usr/share/info/* "$work"/usr/share/snmp
	chmod 755 "$work"
	mv -T "$work" "$out"
fi
[ -z "$wrapper" ] || write_wrapper
