#!/bin/sh
# Installs the packages of the named programs that are missing: as root, and with apt. Otherwise it prints in one line what
# is missing and how to get it.
set -eu

# sbin is not in everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

package_of() {
	case $1 in
	cc) echo gcc libc6-dev ;;
	ip) echo iproute2 ;;
	sshd) echo openssh-server ;;
	*) echo "$1" ;;
	esac
}

missing=
packages=
for program in "$@"; do
	command -v "$program" >/dev/null && continue
	missing="$missing $program"
	packages="$packages $(package_of "$program")"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing on this machine:$missing; on Debian or Ubuntu: sudo apt-get install$packages" >&2
	exit 1
fi

# The tests run their own programs: services of the packages must not be started. On Debian, policy-rc.d prevents that.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing$packages" >&2
apt-get -qq update </dev/null
# The list of packages must be split into words.
# shellcheck disable=SC2086
apt-get -qq install --no-install-recommends --yes $packages </dev/null >/dev/null
