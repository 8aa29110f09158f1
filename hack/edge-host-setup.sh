#!/bin/sh
# Sets up a Linux host for edgelb: an account that the operator logs in with, and what that account needs to control HAProxy.
# A person or cloud-init runs it as root, as often as they like. `edge-host-setup.sh --help` has the options.
#
# Results go to stdout, everything else to stderr. What the script makes is recorded in $record, so that --remove takes back that
# and nothing else. Only what an unprivileged account cannot change decides what runs as root: the record, the account's home
# and its keys belong to root, and where an account existed before, its own files are written with its own rights.
set -u
umask 022
# Debian lets the group staff write to /usr/local.
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
unset ENV BASH_ENV CDPATH
cd / || exit 1

folder=/var/lib/edge-host-setup
record=$folder/made
sudoers=/etc/sudoers.d/edgelb
script_user=keepalived_script
unit=/etc/systemd/system/haproxy.service.d/edgelb.conf
own_folder=/etc/haproxy/edgelb
# The operator's: what commands of virtual addresses get and leave.
commands=/etc/keepalived/edgelb
notices=/var/lib/edgelb-keepalived

usage() {
	cat <<'END'
usage: edge-host-setup.sh [--key KEY | --key-file FILE]... [option]...
       edge-host-setup.sh --check [option]...
       edge-host-setup.sh --remove [--keep-packages]

Sets up this host for edgelb and prints its entry for the hosts of an EdgeLoadBalancer. Run it as root. A second run changes
what differs, and nothing else.

  --key KEY          a public key of the operator, such as 'ssh-ed25519 AAAA... edgelb'; for several keys, several times. Keys
                     of earlier runs that are not named any more are removed; without any, they stay as they are
  --key-file FILE    the same from a file with a key on each line; "-" is stdin
  --from ADDRESSES   accept the keys only from these addresses, such as 192.0.2.10,2001:db8::/64
  --user NAME        the account; default: edgelb
  --no-sudo          give the account no sudo, and have systemd run HAProxy without root's rights instead. The operator then
                     controls HAProxy and nothing else
  --install          install HAProxy, and sudo where it is needed, if they are missing: with apt, dnf, zypper or apk
  --keepalived       with --install, keepalived as well
  --wait SECONDS     how long to wait while somebody else uses the package manager; default: 300
  --name NAME        the host's name in the entry; default: its host name
  --address ADDRESS  its address in the entry; default: that of its default route
  --check            change nothing, and report what is missing: exit status 0 if nothing is, 1 if something is, 2 if that
                     could not be found out
  --remove           take back everything that this script has made, including the packages that it has installed
  --keep-packages    with --remove, leave these packages
END
}

say() { printf '%s\n' "$*" >&2; }
# A failure has its own status in --check, where 1 means that something is missing.
die() {
	say "edge-host-setup.sh: $*"
	[ "$mode" != check ] || exit 2
	exit 1
}
misused() {
	say "edge-host-setup.sh: $*: see --help"
	exit 2
}

# --- Options

mode=setup user='' keys='' from='' name='' address='' wait=300 sudo=yes install='' keepalived='' keep_packages=''
newline='
'
parse() {
	while [ $# -gt 0 ]; do
		option=$1
		case $option in
		--key | --key-file | --from | --user | --wait | --name | --address)
			[ $# -gt 1 ] || misused "$option needs a value"
			value=$2
			shift
			;;
		esac
		case $option in
		--key) add_key "$value" --key ;;
		--key-file) add_key_file "$value" ;;
		--from) from=$value ;;
		--user) user=$value ;;
		--wait) wait=$value ;;
		--name) name=$value ;;
		--address) address=$value ;;
		--no-sudo) sudo='' ;;
		--install) install=yes ;;
		--keepalived) keepalived=yes ;;
		--keep-packages) keep_packages=yes ;;
		--check | --remove)
			[ "$mode" = setup ] || misused "--check and --remove are two different runs"
			mode=${option#--}
			;;
		--help | -h)
			usage
			exit 0
			;;
		*) misused "unknown option: $option" ;;
		esac
		shift
	done
	check_options
}

check_options() {
	case ${user:-edgelb} in
	root) misused "--user root: root needs no set-up; choose an account of its own for edgelb" ;;
	[!a-z_]* | *[!a-z0-9_-]*) wrong_user ;;
	esac
	[ ${#user} -le 32 ] || wrong_user
	case $wait in
	'' | *[!0-9]* | ??????*) misused "--wait $(quoted "$wait") is no number of seconds" ;;
	esac
	case $from in *[!0-9A-Za-z.:/,*?!_-]*) misused "--from $(quoted "$from") is no list of addresses such as 192.0.2.10,2001:db8::/64" ;; esac
	case $name in
	-* | *- | *[!a-z0-9-]*) wrong_name ;;
	esac
	[ ${#name} -le 63 ] || wrong_name
	case $address in *[!0-9A-Za-z.:_-]*) misused "--address $(quoted "$address") is neither a host name nor an IP address, without brackets and port" ;; esac
	[ -z "$keepalived" ] || [ -n "$install" ] || misused "--keepalived needs --install"
	[ -z "$keepalived" ] || [ -n "$sudo" ] || misused "--keepalived needs sudo, since keepalived runs as root: leave out --no-sudo"
	[ -z "$keep_packages" ] || [ "$mode" = remove ] || misused "--keep-packages needs --remove"
}

wrong_user() { misused "--user $(quoted "$user") is no name of an account: at most 32 of a-z, 0-9, _ and -, and no digit or - at the start"; }
wrong_name() { misused "--name $(quoted "$name") is no host's name in an EdgeLoadBalancer: at most 63 of a-z, 0-9 and -, and no - at its ends"; }

# Prints a value on one short line.
quoted() { printf '"%s"' "$(printf '%s' "$1" | tr -c ' -~' '?' | cut -c 1-60)"; }

# Adds a public key in the form "TYPE BASE64". Arguments: its line, and where it is from.
add_key() {
	key=$1
	case $key in
	*"$newline"*) misused "$2: one key is one line" ;;
	*PRIVATE\ KEY*) misused "$2 has a private key, which stays with the operator: give its public half, FILE.pub" ;;
	*[!\ -~]*) misused "$2 has characters that no key has: $(quoted "$key")" ;;
	esac
	kind=${key%% *} rest=${key#* }
	blob=${rest%% *}
	case $kind in
	ssh-ed25519 | ssh-rsa | ecdsa-sha2-nistp256 | ecdsa-sha2-nistp384 | ecdsa-sha2-nistp521) ;;
	*) misused "$2 is no public key: $(quoted "$key") does not begin with ssh-ed25519, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa" ;;
	esac
	case $blob in
	AAAA*[!A-Za-z0-9+/=]* | [!A]*) misused "$2 is no public key: $(quoted "$blob") is no base64 of one" ;;
	AAAA????????????????????*) ;;
	*) misused "$2 is no public key: after $kind there is too little: $(quoted "$blob")" ;;
	esac
	if command -v ssh-keygen >/dev/null; then
		printf '%s %s\n' "$kind" "$blob" | ssh-keygen -l -f - >/dev/null 2>&1 ||
			misused "$2 is no public key: ssh-keygen cannot read $(quoted "$kind $blob")"
	fi
	case $newline$keys in *"$newline$kind $blob$newline"*) ;; *) keys=$keys$kind\ $blob$newline ;; esac
}

add_key_file() {
	if [ "$1" = - ]; then
		text=$(cat)
	else
		[ -r "$1" ] || misused "--key-file $(quoted "$1") cannot be read"
		text=$(cat -- "$1") || misused "--key-file $(quoted "$1") cannot be read"
	fi
	before=$keys
	while IFS= read -r line; do
		line=${line%"$(printf '\r')"}
		case $line in '' | '#'*) ;; *) add_key "$line" "--key-file $1" ;; esac
	done <<END
$text
END
	[ "$keys" != "$before" ] || misused "--key-file $(quoted "$1") has no key, or none that was not named before"
}

# --- The record: lines "KIND VALUE" of what this script has made

made() { [ -f "$record" ] && grep -qxF -e "$1 $2" "$record"; }
recorded() { [ ! -f "$record" ] || sed -n "s/^$1 //p" "$record"; }
# It is written before the thing is made: a run that is cut off leaves nothing that nobody knows.
note() {
	made "$1" "$2" && return
	write_file "$record" 600 "$([ ! -f "$record" ] || cat "$record")$newline$1 $2"
}
forget() {
	! made "$1" "$2" || write_file "$record" 600 "$(grep -vxF -e "$1 $2" "$record")"
}

# Fails unless root alone may change the record.
open_record() {
	words=$(mkdir -p "$folder" 2>&1 && chmod 700 "$folder" 2>&1) || die "cannot write $folder: $words. $(advice "$words")"
	if [ -L "$folder" ] || [ "$(owner_of "$folder")" != 0 ] || [ -L "$record" ]; then
		die "$folder is not root's own folder: look who made it, and remove it"
	fi
	for place in /etc /home "$folder"; do
		words=$({ : >"$place/.edge-host-setup"; } 2>&1) || die "cannot write to $place: ${words##*: }. $(advice "$words")"
		rm -f "$place/.edge-host-setup"
	done
	# Two runs at once would both create the account. What may start services is run without the descriptor: it would stay locked.
	if command -v flock >/dev/null; then
		exec 9>"$folder/lock"
		flock -n 9 || die "another edge-host-setup.sh runs on this host: wait for its end"
	fi
}

# --- Files

owner_of() {
	# shellcheck disable=SC2012 # only the third column is used
	ls -ldn "$1" 2>/dev/null | { read -r _ _ uid _ && printf '%s\n' "$uid"; }
}
is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# Writes a file at once: nobody sees a part of it. Arguments: the path, the mode, and the text without the newline at its end. The
# folder must be root's.
write_file() {
	words=$({ printf '%s\n' "$3" | cat >"$1.edgelb-new" && chmod "$2" "$1.edgelb-new" && mv -f "$1.edgelb-new" "$1"; } 2>&1) || {
		rm -f "$1.edgelb-new"
		die "cannot write $1: ${words##*: }. $(advice "$words")"
	}
	restore_context "$1"
}
has_text() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# --- Report: each step is "ok", or is done, or is missing in --check

missing=''
step() {
	if [ "$mode" = check ]; then
		say "missing: $*"
		missing=yes
		return 1
	fi
	say "$*"
}
ok() { [ "$mode" != check ] || say "ok: $*"; }

# --- What the operator does as well: the lines of internal/host/scripts/provision.sh

again='and run this again'

# begin of provision.sh
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
# end of provision.sh

# --- Packages

remove_package() {
	case $manager in
	# Debian's sudo asks to be removed by force where root has no password. It was not there before, and this runs as root.
	apt-get) managed env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 SUDO_FORCE_REMOVE=yes apt-get -q -y remove "$1" ;;
	dnf) managed dnf -y --setopt=exit_on_lock=True remove "$1" ;;
	zypper) managed zypper --non-interactive remove "$1" ;;
	apk) managed apk del "$1" ;;
	*) words="no package manager is left" && false ;;
	esac || die "$manager does not remove $1: $(brief). $(advice "$words"), or use --keep-packages"
}

# Arguments: the package, which has a program of that name.
need_package() {
	if command -v "$1" >/dev/null || [ -x "/usr/local/sbin/$1" ]; then
		ok "$1 is installed"
	elif [ -n "$install" ]; then
		step "the package $1 is to be installed" && install_package "$1"
	elif [ "$1" = sudo ]; then
		# The account would be of no use.
		[ "$mode" = check ] || die "sudo is missing, and the account needs it: install it, or add --install, or use --no-sudo"
		step "sudo is to be installed, which --install does"
	else
		say "note: $1 is not installed. Install it, or add --install"
	fi
}

# Has a service start at each boot, and now. Not every distribution does when it installs one.
enable_service() {
	if [ -d /run/systemd/system ]; then
		systemctl is-enabled --quiet "$1" 2>/dev/null || { step "$1 is to start at boot" && systemctl --quiet enable "$1" >&2; }
		[ "$1" != haproxy ] || systemctl is-active --quiet "$1" ||
			{ step "$1 is to be started" && { systemctl start "$1" >&2 9>&- || die "$1 does not start: systemctl status $1 says why"; }; }
	elif [ -d /run/openrc ] && command -v rc-update >/dev/null; then
		rc-update show default 2>/dev/null | grep -q "^ *$1 " || { step "$1 is to start at boot" && rc-update -q add "$1" default >&2; }
		[ "$1" != haproxy ] || rc-service "$1" status >/dev/null 2>&1 ||
			{ step "$1 is to be started" && { rc-service "$1" start >&2 9>&- || die "$1 does not start: rc-service $1 start says why"; }; }
	fi
}

do_packages() {
	[ -z "$sudo" ] || need_package sudo
	need_package haproxy
	[ -z "$keepalived" ] || need_package keepalived
	[ -n "$install" ] || return 0
	! command -v haproxy >/dev/null || enable_service haproxy
	[ -z "$keepalived" ] || ! command -v keepalived >/dev/null || enable_service keepalived
}

# --- sshd

# Prints the values of one of sshd's settings. Empty if sshd did not say.
sshd_setting() { printf '%s\n' "$sshd_settings" | sed -n "s/^$1 //p"; }

check_sshd() {
	command -v sshd >/dev/null || die "sshd is missing: install OpenSSH's server (openssh-server), and run this again"
	sshd_settings=$(sshd -T 2>/dev/null)
	[ "$(sshd_setting pubkeyauthentication)" != no ] ||
		die "sshd accepts no keys: set PubkeyAuthentication yes in /etc/ssh/sshd_config, reload sshd, and run this again"
	case $(sshd_setting authorizedkeysfile) in
	'' | *.ssh/authorized_keys*) ;;
	*) die "sshd does not read ~/.ssh/authorized_keys: put that into AuthorizedKeysFile in /etc/ssh/sshd_config, reload sshd, and run this again" ;;
	esac
	allowed=$(sshd_setting allowusers | tr '\n' ' ')$(sshd_setting allowgroups | tr '\n' ' ')
	case " $allowed " in
	'  ' | *" $user "*) ;;
	*) say "note: sshd lets only some accounts log in ($allowed): add $user to AllowUsers or AllowGroups in /etc/ssh/sshd_config" ;;
	esac
	entry_keys=$(host_keys) || die "sshd has no host keys yet: make them with ssh-keygen -A, and run this again"
}

# Prints the public host keys. The private file is what sshd proves, and the public one may be left from another.
host_keys() {
	files=$(sshd_setting hostkey)
	[ -n "$files" ] || files=$(ls /etc/ssh/ssh_host_*_key 2>/dev/null)
	found=''
	for file in $files; do
		[ -f "$file" ] || continue
		line=$(ssh-keygen -y -P '' -f "$file" 2>/dev/null </dev/null) || line=$(cat "$file.pub" 2>/dev/null) || continue
		kind=${line%% *} rest=${line#* }
		case $kind:$rest in
		ssh-ed25519:AAAA* | ssh-rsa:AAAA* | ecdsa-sha2-*:AAAA*) ;;
		*) continue ;;
		esac
		printf '%s %s\n' "$kind" "${rest%% *}"
		found=yes
	done
	[ -n "$found" ]
}

# --- Accounts

remove_account() {
	if exists "$1"; then
		end_processes "$(field "$1" 3)"
		if command -v userdel >/dev/null; then words=$(userdel "$1" 2>&1); else words=$(deluser "$1" 2>&1); fi ||
			die "cannot remove the account $1: $words. $(advice "$words")"
	fi
	forget account "$1"
	# Removing an account may have removed its group.
	if made group "$1"; then
		! group_exists "$1" || { if command -v groupdel >/dev/null; then groupdel "$1"; else delgroup "$1"; fi; } >/dev/null 2>&1
		forget group "$1"
	fi
}

# Ends the processes of an account that is about to go: the operator keeps its connection open.
end_processes() {
	for signal in TERM KILL; do
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			found=''
			# shellcheck disable=SC2013 # the paths have no blanks
			for status in $(grep -l "^Uid:[[:space:]]*$1[[:space:]]" /proc/[0-9]*/status 2>/dev/null); do
				! grep -q '^State:[[:space:]]*Z' "$status" 2>/dev/null || continue
				pid=${status#/proc/} found=yes
				kill -s $signal "${pid%/status}" 2>/dev/null
			done
			[ -n "$found" ] || return 0
			sleep 0.2 2>/dev/null || sleep 1
		done
	done
}

do_account() {
	if ! exists "$user"; then
		if ! made folder "/home/$user" && { [ -e "/home/$user" ] || [ -L "/home/$user" ]; }; then
			die "/home/$user exists, but no account $user: somebody's files are there. Remove it, or choose another name with --user"
		fi
		step "the account $user is to be created" || return 0
		note user "$user"
		create_account "$user" "/home/$user" /bin/sh
	elif made account "$user"; then
		ok "the account $user exists"
	else
		check_foreign_account
		[ "$mode" = check ] || note user "$user"
		ok "the account $user exists; somebody else has made it"
		return 0
	fi
	make_home
}

# An account that this script has not made is used only if the operator can log in to it.
check_foreign_account() {
	home=$(field "$user" 6) shell=$(field "$user" 7) uid=$(field "$user" 3)
	differs="there is an account $user already, and edgelb cannot use it:" remedy="Change that, or choose another name with --user"
	[ "$uid" != 0 ] || die "$differs it is root by another name. $remedy"
	case $shell in
	*/sh | */bash | */dash | */ash | */ksh | */zsh | '') ;;
	*) die "$differs its shell is $(quoted "$shell"), which runs no command. $remedy" ;;
	esac
	[ -d "$home" ] || die "$differs it has no home $(quoted "$home"). $remedy"
	case $(owner_of "$home/.") in
	0 | "$uid") ;;
	*) die "$differs its home $home belongs to somebody else. $remedy" ;;
	esac
	if [ -L "$home/.ssh" ] || [ -L "$home/.ssh/authorized_keys" ]; then
		die "$differs $home/.ssh or the file of keys in it is a link. $remedy"
	fi
}

# The home and the keys of the account are root's: who has the account adds no key to it.
make_home() {
	for place in "/home/$user" "/home/$user/.ssh"; do
		if is_folder "$place" && [ "$(owner_of "$place")" = 0 ]; then
			ok "$place is root's"
			continue
		fi
		if [ -e "$place" ] || [ -L "$place" ]; then
			die "$place is not the folder that this script has made: look who changed it, and remove it"
		fi
		step "$place is to be created" || continue
		note folder "$place"
		words=$(mkdir -m 755 "$place" 2>&1) || die "cannot create $place: $words. $(advice "$words")"
		restore_context "$place"
	done
}

do_script_user() {
	if exists "$script_user"; then
		[ "$(field "$script_user" 3)" != 0 ] ||
			die "the account $script_user, which runs keepalived's checks, is root by another name: remove it, and run this again"
		ok "the account $script_user exists, for keepalived's checks"
		return
	fi
	step "the account $script_user is to be created, for keepalived's checks" && create_account "$script_user" /nonexistent "$(no_login)"
}

# --- Keys

# Runs a fixed text as the account, without this terminal and without root's environment.
as_account() { env -i PATH="$PATH" LC_ALL=C setsid su -s /bin/sh "$user" -c "$1"; }

# Prints the file of keys, or replaces it by a text. In the home of an account that this script has not made, everything is done by
# that account: whatever its links lead to, it could have done itself.
read_keys() {
	if made account "$user"; then
		[ ! -f "/home/$user/.ssh/authorized_keys" ] || cat "/home/$user/.ssh/authorized_keys"
	else
		as_account 'cd && { [ ! -e .ssh/authorized_keys ] || cat .ssh/authorized_keys; }' </dev/null
	fi
}
write_keys() {
	if made account "$user"; then
		write_file "/home/$user/.ssh/authorized_keys" 644 "$1"
		return
	fi
	words=$(printf '%s\n' "$1" | as_account 'umask 077 && cd && mkdir -p .ssh && cat >.ssh/authorized_keys.edgelb-new &&
		mv -f .ssh/authorized_keys.edgelb-new .ssh/authorized_keys' 2>&1) ||
		die "the account $user cannot write its ~/.ssh/authorized_keys: $words. $(advice "$words")"
	restore_context "$(field "$user" 6)/.ssh"
}

# Takes the lines with these keys from stdin. Argument: the keys, each on a line.
without_keys() {
	while IFS= read -r line || [ -n "$line" ]; do
		rest="$line "
		case $line in
		'#'*) ;;
		*)
			for blob in $1; do
				case $rest in *" $blob "*) line='' rest='' ;; esac
			done
			[ -n "$rest" ] || continue
			;;
		esac
		printf '%s\n' "$line"
	done
}

# Prints the lines for the keys.
key_lines() {
	options=restrict,port-forwarding${from:+",from=\"$from\""}
	printf '%s' "$keys" | while read -r kind blob; do
		printf '%s %s %s edgelb\n' "$options" "$kind" "$blob"
	done
}

do_keys() {
	if [ -z "$keys" ]; then
		[ -n "$(recorded key)" ] || { step "a public key of the operator is to be named, with --key or --key-file" || return 0; die "no key is named: give the operator's public key with --key or --key-file"; }
		ok "the keys of the last run stay as they are"
		return
	fi
	present=$(exists "$user" && read_keys)
	wanted=$({ printf '%s\n' "$present" | without_keys "$(recorded key) $(printf '%s' "$keys" | cut -d ' ' -f 2)"; key_lines; } | sed '/^$/d')
	if [ "$(printf '%s\n' "$present" | sed '/^$/d')" = "$wanted" ]; then
		ok "the keys of $user are those that are named"
		return
	fi
	step "the keys of $user are to be written" || return 0
	former=$(recorded key)
	for blob in $(printf '%s' "$keys" | cut -d ' ' -f 2); do note key "$blob"; done
	write_keys "$wanted"
	for blob in $former; do
		case $keys in *" $blob$newline"*) ;; *) forget key "$blob" ;; esac
	done
}

# --- What the account may do

do_sudo() {
	line="$user ALL=(root) NOPASSWD: /bin/sh"
	if has_text "$sudoers" "$line"; then
		ok "$sudoers lets $user run /bin/sh as root"
	else
		[ ! -e "$sudoers" ] || made file "$sudoers" ||
			die "$sudoers exists, and this script has not made it: look what it is for, and remove it"
		step "$sudoers is to be written" || return 0
		[ -d "${sudoers%/*}" ] || die "there is no folder ${sudoers%/*}: install sudo anew, and run this again"
		note file "$sudoers"
		write_file "$sudoers" 440 "$line"
		words=$(visudo -c -f "$sudoers" 2>&1) || die "visudo refuses $sudoers: $words. Report this as a fault of this script"
	fi
	[ "$mode" != check ] || exists "$user" || return 0
	words=$(as_account 'exec sudo -n /bin/sh -c :' 2>&1 </dev/null) || {
		step "sudo is to let $user run /bin/sh, which it does not: $words" || return 0
		die "sudo does not let $user run /bin/sh: $words. Look for \"@includedir /etc/sudoers.d\" at the end of /etc/sudoers, and for lines of other files there that take it back"
	}
}

# The unit without root's rights, and the folder in which the account writes. HAProxy needs no right of root but to bind ports below
# 1024. Its sockets belong to its own group, in which the account is.
unit_text() {
	cat <<END
# Made by edge-host-setup.sh --no-sudo: HAProxy runs without root's rights, with the file of the account $user.
[Service]
Environment="CONFIG=$own_folder/haproxy.cfg" "PIDFILE=/run/haproxy/haproxy.pid"
Environment="EXTRAOPTS=-S /run/haproxy/master.sock,mode,660,level,admin"
User=haproxy
Group=haproxy
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
RuntimeDirectory=haproxy
RuntimeDirectoryMode=0755
END
}
# A file as edgelb leaves it on a host without listeners: whoever's object names the host may replace it.
idle_text() {
	zeros=0000000000000000000000000000000000000000000000000000000000000000
	cat <<END
# Managed by edgelb. Do not edit: what is changed by hand is overwritten.
# owner: none
# structure: $zeros
# whole: $zeros
global
    stats socket /run/haproxy/admin.sock mode 660 level admin
END
}

check_unit() {
	[ -d /run/systemd/system ] || die "--no-sudo needs systemd, which does not run here: leave out --no-sudo"
	command -v haproxy >/dev/null || die "--no-sudo needs HAProxy: install it, or add --install"
	exists haproxy || die "--no-sudo needs the account haproxy, which the distribution's package makes: install HAProxy from there, or leave out --no-sudo"
	original=$(systemctl cat haproxy.service 2>/dev/null)
	for variable in CONFIG PIDFILE EXTRAOPTS; do
		case $original in
		*ExecStart=*\$$variable*) ;;
		*) die "--no-sudo does not know this haproxy.service, which has no \$$variable in its ExecStart: leave out --no-sudo" ;;
		esac
		! grep -qsE "^$variable=" /etc/default/haproxy /etc/sysconfig/haproxy ||
			die "/etc/default/haproxy or /etc/sysconfig/haproxy sets $variable, which --no-sudo has to set: remove that line, and run this again"
	done
}

do_unit() {
	check_unit
	restart=''
	if is_folder "$own_folder"; then
		ok "$own_folder is there"
	elif step "$own_folder is to be created"; then
		make_own_folder
		restart=yes
	fi
	if id -nG "$user" 2>/dev/null | tr ' ' '\n' | grep -qx haproxy; then
		ok "$user is in the group haproxy"
	elif step "$user is to be in the group haproxy, whose sockets HAProxy's are"; then
		note member "$user"
		words=$(usermod -a -G haproxy "$user" 2>&1) || die "cannot put $user into the group haproxy: $words. $(advice "$words")"
	fi
	if has_text "$unit" "$(unit_text)"; then
		ok "$unit takes root's rights from HAProxy"
	elif step "$unit is to be written"; then
		[ ! -e "$unit" ] || made file "$unit" || die "$unit exists, and this script has not made it: look what it is for, and remove it"
		mkdir -p "${unit%/*}" || die "cannot create ${unit%/*}: $(advice '')"
		note file "$unit"
		write_file "$unit" 644 "$(unit_text)"
		restart=yes
	fi
	[ -z "$restart" ] || restart_haproxy
}

make_own_folder() {
	if [ -e "$own_folder" ] || [ -L "$own_folder" ]; then die "$own_folder is no folder: look who made it, and remove it"; fi
	! grep -qE '^[[:space:]]*bind[[:space:]]|^(frontend|listen)[[:space:]]' /etc/haproxy/haproxy.cfg ||
		die "HAProxy serves listeners of /etc/haproxy/haproxy.cfg, and with --no-sudo it runs another file: remove them from there, or leave out --no-sudo"
	note own_folder "$own_folder"
	words=$(mkdir -m 755 "$own_folder" 2>&1) || die "cannot create $own_folder: $words. $(advice "$words")"
	write_file "$own_folder/haproxy.cfg" 644 "$(idle_text)"
	words=$({ chgrp "$user" "$own_folder" && chmod 2775 "$own_folder"; } 2>&1) || die "cannot give $own_folder to $user: $words. $(advice "$words")"
}

restart_haproxy() {
	say "restarting HAProxy"
	words=$(systemctl daemon-reload 2>&1 && systemctl restart haproxy.service 2>&1) ||
		die "HAProxy does not start: $words. journalctl -u haproxy says why; --remove takes back what was made"
}

# --- The entry of the host

print_entry() {
	[ -n "$name" ] || name=$(uname -n | cut -d . -f 1 | tr A-Z_ a-z- | tr -cd 'a-z0-9-' | sed -e 's/^-*//' -e 's/-*$//' | cut -c 1-63)
	remark=''
	if [ -z "$address" ]; then
		# No packet is sent: this is the address from which one would be.
		address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
		[ -n "$address" ] || address=$(ip -6 route get 2001:db8::1 2>/dev/null | sed -n 's/.* src \([0-9a-f:]*\).*/\1/p')
		remark='  # where the operator reaches this host'
	fi
	port=$(sshd_setting port | head -n 1)
	printf 'hosts:\n  - name: %s\n    address: "%s"%s\n' "${name:-edge}" "${address:-ADDRESS}" "$remark"
	[ "${port:-22}" = 22 ] || printf '    port: %s\n' "$port"
	printf '    user: %s\n    hostKeys:\n' "$user"
	printf '%s\n' "$entry_keys" | sed 's/^/      - /'
	[ -n "$sudo" ] || printf 'haproxy:\n  paths:\n    config: %s/haproxy.cfg\n' "$own_folder"
}

# --- Runs

setup() {
	known=$(recorded user)
	if [ -n "$known" ]; then
		[ -z "$user" ] || [ "$user" = "$known" ] || die "this host is set up for the account $known: run --remove first, or leave out --user"
		user=$known
	fi
	user=${user:-edgelb}
	check_sshd
	[ "$mode" = check ] || open_record
	do_packages
	do_account
	do_script_user
	do_keys
	if [ -n "$sudo" ]; then
		[ -z "$(recorded own_folder)" ] || die "this host is set up with --no-sudo: run --remove first, or add --no-sudo"
		! command -v sudo >/dev/null || do_sudo
	else
		! made file "$sudoers" || die "this host is set up with sudo: run --remove first, or leave out --no-sudo"
		do_unit
	fi
	if [ -n "$missing" ]; then exit 1; fi
	[ "$mode" = check ] || print_entry
}

remove() {
	if [ ! -f "$record" ]; then
		say "nothing to remove: edge-host-setup.sh has made nothing on this host, or has removed it already"
		return
	fi
	open_record
	user=$(recorded user)
	user=${user:-edgelb}
	for file in $(recorded file); do
		say "removing $file"
		rm -f "$file" || die "cannot remove $file: $(advice '')"
		rmdir "${unit%/*}" 2>/dev/null
		forget file "$file"
	done
	! made own_folder "$own_folder" || remove_own_folder
	remove_keys
	for account in $(recorded account); do
		say "removing the account $account"
		remove_account "$account"
	done
	remove_commands
	remove_folders
	for package in $(recorded package); do
		if [ -n "$keep_packages" ]; then
			say "keeping the package $package"
		else
			say "removing the package $package"
			remove_package "$package"
		fi
	done
	rm -rf "$folder"
}

# The file of the listeners goes as well, and HAProxy runs with that of the distribution again.
remove_own_folder() {
	say "removing $own_folder"
	! made member "$user" || made account "$user" || gpasswd -d "$user" haproxy >/dev/null 2>&1
	if [ -d /run/systemd/system ]; then
		{ systemctl daemon-reload && systemctl restart haproxy.service; } ||
			say "note: HAProxy does not start with its former file: journalctl -u haproxy says why"
	fi
	rm -rf "$own_folder"
	forget own_folder "$own_folder"
}

remove_keys() {
	blobs=$(recorded key)
	if [ -n "$blobs" ] && exists "$user" && ! made account "$user"; then
		say "removing the keys from the account $user"
		write_keys "$(read_keys | without_keys "$blobs")"
	fi
	for blob in $blobs; do forget key "$blob"; done
}

# The account that runs the commands is gone, and another one may get its number, and with it the files of Secrets. What keepalived's check
# needs stays with keepalived's configuration.
remove_commands() {
	for place in "$commands/secrets" "$commands"/notify-*.sh "$notices"; do
		[ -e "$place" ] || [ -L "$place" ] || continue
		say "removing $place"
		# Whoever owns it must not put links there meanwhile.
		words=$({ chown -h 0 "$place" && rm -rf "$place"; } 2>&1) || die "cannot remove $place: $words. $(advice "$words")"
	done
}

# Folders go from the innermost to the outermost. They are root's, and the account that could log in is gone.
remove_folders() {
	for place in $(recorded folder | sort -r); do
		say "removing $place"
		rm -rf "$place"
		forget folder "$place"
	done
}

parse "$@"
[ "$(id -u)" = 0 ] || die "this has to run as root: use sudo"
case $mode in
remove) remove ;;
*) setup ;;
esac
