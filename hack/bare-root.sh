#!/bin/sh
# Makes the folder $2 a copy of the Debian root $1 without HAProxy and all that came with it: a fresh server with sshd. Its apt knows one
# repository, the folder /var/cache/packages, with the distribution's own packages of haproxy, keepalived and what they need, so that
# installing them takes no network. Requires root. An existing folder is not changed.
set -eu

from=${1:?usage: bare-root.sh ROOT FOLDER}
out=${2:?the folder to make}

[ ! -d "$out" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "bare-root.sh: making a Debian root needs root; run it with sudo" >&2; exit 1; }
[ -d "$from/usr" ] || { printf 'bare-root.sh: there is no Debian root %s; make one with hack/debian-root.sh\n' "$from" >&2; exit 1; }
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy https_proxy DEBIAN_FRONTEND=noninteractive

work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$work" "$work.log"' EXIT
trap 'exit 1' INT TERM HUP
printf 'making %s, a Debian without HAProxy (once, some seconds)\n' "$out" >&2
cp -a --reflink=auto "$from/." "$work"
cp -L /etc/resolv.conf "$work/etc/resolv.conf"
in_root() { chroot "$work" "$@" </dev/null >>"$work.log" 2>&1 || { cat "$work.log" >&2; exit 1; }; }

# No service may be stopped: it would be one of this machine.
printf '#!/bin/sh\nexit 101\n' >"$work/usr/sbin/policy-rc.d"
chmod 755 "$work/usr/sbin/policy-rc.d"

# debootstrap marks nothing as a dependency.
# shellcheck disable=SC2016 # dpkg's own substitution
in_root sh -euc 'apt-mark auto $(dpkg-query -W -f "\${Package}\n" | grep ^lib)'
in_root apt-get -q --yes --auto-remove purge haproxy
rm "$work/usr/sbin/policy-rc.d"
in_root apt-get -qq -o APT::Sandbox::User=root update
in_root apt-get -qq -o APT::Sandbox::User=root --yes --no-install-recommends --download-only install haproxy keepalived
mkdir "$work/var/cache/packages"
mv "$work"/var/cache/apt/archives/*.deb "$work/var/cache/packages"
for package in "$work"/var/cache/packages/*.deb; do
	dpkg-deb --field "$package"
	printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${package##*/}" "$(stat -c %s "$package")" "$(sha256sum <"$package" | cut -d ' ' -f 1)"
done >"$work/var/cache/packages/Packages"
rm -f "$work"/etc/apt/sources.list.d/*
printf 'deb [trusted=yes] file:/var/cache/packages ./\n' >"$work/etc/apt/sources.list"

find "$work/var/cache/apt" "$work/var/lib/apt/lists" -type f -delete
chmod 755 "$work"
mv -T "$work" "$out"
