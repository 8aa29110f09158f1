#!/bin/sh
# Installs Debian release $2 into the folder $1: the root from which the lab boots hosts with a real init system, and the
# distribution's HAProxy and sshd. Requires root. An existing folder is not changed.
# With $3, that file becomes a program that runs the root's HAProxy on this machine, as any user.
set -eu

out=${1:?usage: debian-root.sh FOLDER SUITE [HAPROXY]}
suite=${2:?the name of a Debian release, such as bookworm}
wrapper=${3:-}

# What a host needs; otherwise it is a freshly installed server.
packages=systemd,systemd-sysv,dbus,openssh-server,haproxy,sudo,iproute2,procps

# The loader is called explicitly, so that HAProxy finds its own libraries but sees this machine's files.
write_wrapper() {
	cat >"$wrapper.new" <<SH
#!/bin/sh
root=\$(dirname "\$0")/$(realpath --relative-to="$(dirname "$wrapper")" "$out")
for triplet in "\$root"/usr/lib/*-linux-gnu; do :; done
for loader in "\$triplet"/ld-linux*.so.*; do :; done
exec "\$loader" --library-path "\$triplet" "\$root/usr/sbin/haproxy" "\$@"
SH
	chmod 755 "$wrapper.new"
	mv "$wrapper.new" "$wrapper"
}

# The mirror that this machine's apt uses for Debian; debootstrap's default if apt has none (as on Ubuntu).
mirror() {
	# shellcheck disable=SC2016 # apt's own substitution
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" || $1 ~ /\/debian\/$/ { print $1; exit }'
}

if [ ! -d "$out" ]; then
	[ "$(id -u)" = 0 ] || { echo "debian-root.sh: making a Debian root needs root; run it with sudo" >&2; exit 1; }
	command -v debootstrap >/dev/null || { echo "debian-root.sh: debootstrap is missing; apt-get install debootstrap" >&2; exit 1; }
	eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
	export http_proxy https_proxy

	mkdir -p "$(dirname "$out")"
	work=$(mktemp -d "$out.XXXXXX")
	trap 'rm -rf --one-file-system "$work" "$work.log"' EXIT
	trap 'exit 1' INT TERM HUP
	mirror=$(mirror)
	echo "installing Debian $suite into $out (once, about a minute)" >&2
	# debootstrap itself keeps the packages' services from starting.
	debootstrap --variant=minbase --include="$packages" "$suite" "$work" ${mirror:+"$mirror"} >"$work.log" ||
		{ cat "$work.log" >&2; exit 1; }

	# OpenRC is stored as packages: a host that boots with it installs them first. From Debian 13 on it conflicts with
	# systemd-sysv.
	if [ "$suite" = bookworm ]; then
		mkdir -p "$work/var/cache/openrc/partial"
		chroot "$work" apt-get -qq --yes --no-install-recommends --download-only \
			-o APT::Sandbox::User=root -o Dir::Cache::archives=/var/cache/openrc install openrc >/dev/null
	fi

	# Each host has its own host keys; the rest only takes space.
	rm -f "$work"/etc/ssh/ssh_host_*
	find "$work/var/cache/apt" "$work/var/lib/apt/lists" -type f -delete
	rm -rf "$work"/usr/share/doc/* "$work"/usr/share/man/* "$work"/usr/share/locale/* "$work"/usr/share/info/*
	chmod 755 "$work"
	mv -T "$work" "$out"
fi
[ -z "$wrapper" ] || write_wrapper
