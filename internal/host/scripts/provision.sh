#!/bin/sh
# How packages are installed and accounts created. hack/edge-host-setup.sh has these lines as well, and internal/install puts them before
# install-job.sh. Around them are: say and die, which take a message; note and made, which keep a record, by kind and name; $wait, how many
# seconds to wait for a locked package manager; and $again, what happens once a fault is repaired.
# shellcheck disable=SC2154

advice() {
	case $1 in
	*ead-only*) printf '%s\n' "The file system is read-only: make it writable (mount -o remount,rw), $again" ;;
	*"o space left"* | *"enough free space"* | *"isk full"* | *"isk quota"*) printf '%s\n' "Make room (df -h shows where it is missing), $again" ;;
	*"dpkg --configure"*) printf '%s\n' "Run dpkg --configure -a as root, $again" ;;
	*) printf '%s\n' "Repair that, $again" ;;
	esac
}
# SELinux lets programs read their files by the labels of these.
restore_context() {
	if command -v restorecon >/dev/null && selinuxenabled 2>/dev/null; then restorecon -R "$1" 2>/dev/null; fi
	return 0
}

manager=''
for program in apt-get dnf zypper apk; do
	[ -n "$manager" ] || ! command -v $program >/dev/null || manager=$program
done

# Runs the package manager in $words, and waits while somebody else has locked it.
managed() {
	left=$wait
	until words=$("$@" </dev/null 2>&1 9>&-); do
		# That is the exit status of timeout.
		[ $? != 124 ] || words="error: the download did not end within $download_time s; a mirror may hang. Let this host connect to its package mirrors"
		case $words in
		*"ould not get lock"* | *"nable to lock"* | *"anagement is locked"* | *"other process using it"* | *"Existing lock "* | *"is locked by another"*) ;;
		*) return 1 ;;
		esac
		[ "$left" -gt 0 ] ||
			die "$manager is still locked after $wait s: $(brief). Wait for its end, or find out what holds it (ps, fuser), $again"
		[ "$left" != "$wait" ] || say "$manager is locked, waiting up to $wait s: $(brief)"
		sleep 1
		left=$((left - 1))
	done
}
# The lines of $words that say what failed, on one line.
brief() {
	lines=$(printf '%s\n' "$words" | grep -iE -e '^E:|error|no space|free space|lock|cannot|could not|unable|not found|no match|no provider|no such' | tail -n 4)
	printf '%s\n' "${lines:-$words}" | tail -n 4 | tr -s '\n' ';' | tr -c ' -~' '?' | sed -e 's/[;?]*$//' -e 's/;/; /g' | cut -c 1-600
}
why_not_installed() {
	case $words in
	*"nable to locate package"* | *"no installation candidate"* | *"No match for argument"* | *"o package"*available* | *"not found in package names"* | *"No provider of"* | *"no such package"*)
		printf '%s\n' "No repository of this host has it: enable the one that does (universe, EPEL, community), $again"
		;;
	*"esolv"* | *"onnect"* | *"ailed to fetch"*) printf '%s\n' "Let this host reach its package mirrors, $again" ;;
	*) advice "$words" ;;
	esac
}

# A download may be cut off at any moment, and dpkg must never be.
download_time=600
apt_get() { managed env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "$@"; }
install_by_apt() {
	# Fresh images have no lists. A mirror that fails here matters only if the package is not found.
	[ -n "${updated-}" ] || apt_get timeout "$download_time" apt-get -q update
	updated=yes
	# "Inst NAME [OLD VERSION] (…" is a package that is upgraded.
	upgraded=$(apt-get -s --no-install-recommends install "$1" 2>/dev/null | sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' | tr '\n' ' ')
	[ -z "$upgraded" ] || die "to install $1, apt-get would have to upgrade ${upgraded% }, and no package that the host has is upgraded: run apt-get install $1 on the host, $again"
	apt_get timeout "$download_time" apt-get -q -y --no-install-recommends --no-remove --download-only install "$1" &&
		apt_get apt-get -q -y --no-install-recommends --no-remove -o Dpkg::Options::=--force-confold install "$1"
}
install_package() {
	say "installing $1"
	case $manager in
	apt-get) install_by_apt "$1" ;;
	dnf) managed dnf -y --setopt=exit_on_lock=True --setopt=install_weak_deps=False install "$1" ;;
	zypper) managed zypper --non-interactive install --no-recommends "$1" ;;
	apk) managed apk add --no-cache "$1" ;;
	*) die "cannot install $1: this host has none of apt-get, dnf, zypper and apk. Install it by hand" ;;
	esac || die "$manager does not install $1: $(brief). $(why_not_installed)"
	note package "$1"
}

# Prints the line of an account.
entry() { getent passwd "$1" 2>/dev/null || grep "^$1:" /etc/passwd; }
field() { entry "$1" | cut -d : -f "$2"; }
exists() { entry "$1" >/dev/null; }
group_exists() { getent group "$1" >/dev/null 2>&1 || grep -q "^$1:" /etc/group; }
no_login() {
	for shell in /usr/sbin/nologin /sbin/nologin /bin/false; do
		[ ! -x $shell ] || { printf '%s\n' $shell && return; }
	done
	printf '/bin/false\n'
}

# Creates a system account with a group of its own and without a home. Arguments: its name, what its home will be, its shell.
create_account() {
	made group "$1" || ! group_exists "$1" || die "there is a group $1, but no account: remove it (groupdel $1), or choose another name"
	note group "$1"
	note account "$1"
	if command -v useradd >/dev/null; then
		words=$({ group_exists "$1" || groupadd --system "$1"; } 2>&1 &&
			useradd --system --gid "$1" --no-create-home --home-dir "$2" --shell "$3" --comment edgelb --password '*' "$1" 2>&1)
	else
		# A password of "!" locks the account, and sshd without PAM lets nobody log in to that; "*" is just no password.
		words=$({ group_exists "$1" || addgroup -S "$1"; } 2>&1 && adduser -S -D -H -h "$2" -s "$3" -g edgelb -G "$1" "$1" 2>&1 &&
			printf '%s:*\n' "$1" | chpasswd -e 2>&1)
	fi || die "cannot create the account $1: $words. $(advice "$words")"
}
