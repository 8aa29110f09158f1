#!/bin/sh
# Installs packages, after the lines of provision.sh, without a connection. Arguments: the folder in which it says what it does, and the
# packages, each of which has a program of its name.
# The folder gets "progress", what it does; "result", a line that says why it has failed; and loses "job" at the end. The versions of the
# packages that were installed are in /var/lib/edgelb/packages.
# shellcheck disable=SC2034,SC2154 # provision.sh uses and sets them

set -u
cd / || exit 1
umask 022
LC_ALL=C
export LC_ALL
folder=${1:?} record=/var/lib/edgelb/packages script_user=keepalived_script policy=/usr/sbin/policy-rc.d wait=300
again='and the operator, which tries again, installs it then'
shift

# Writes a line to a file at once.
put() { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; }
say() { put "$folder/progress" "$*"; }
die() {
	put "$folder/result" "failed $*"
	exit 1
}
made() { false; }
note() {
	[ "$1" = package ] || return 0
	mkdir -p "${record%/*}" && put "$record" "$(grep -sv "^$2 " "$record"; printf '%s %s' "$2" "$(version_of "$2")")"
	restore_context "${record%/*}"
}
version_of() {
	# shellcheck disable=SC2016 # dpkg's own substitution
	case $manager in
	apt-get) dpkg-query -W -f '${Version}' "$1" ;;
	apk) apk info -e -v "$1" | sed "s/^$1-//" ;;
	*) rpm -q --qf '%{VERSION}-%{RELEASE}' "$1" ;;
	esac
}

# Debian's packages start their services: HAProxy with the distribution's configuration, or with one that an earlier installation has left.
hold_services() {
	[ "$manager" = apt-get ] && [ ! -e "$policy" ] || return 0
	put "$policy" "#!/bin/sh
# Made by edgelb for as long as it installs packages, which is while this process runs.
[ -d /proc/$$ ] && case \$1 in haproxy* | keepalived*) exit 101 ;; esac
exit 0"
	chmod 755 "$policy"
}
finish() {
	! grep -qs 'Made by edgelb' "$policy" || rm -f "$policy"
	rm -rf "$folder/job"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

hold_services
for package in "$@"; do
	if ! command -v "$package" >/dev/null; then
		install_package "$package"
		command -v "$package" >/dev/null || die "$manager has installed the package $package, which has no program $package: install HAProxy or keepalived by hand"
	fi
	restore_context "/etc/$package"
	[ "$package" != keepalived ] || exists "$script_user" || create_account "$script_user" /nonexistent "$(no_login)"
done
rm -f "$folder/result"
