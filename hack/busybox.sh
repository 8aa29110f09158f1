#!/bin/sh
# Builds a busybox into the file $1 that has what Alpine's has and Debian's lacks, such as adduser, from Debian's source package. An
# existing file is not changed.
set -eu

out=${1:?usage: busybox.sh FILE}
[ ! -e "$out" ] || exit 0
out=$(realpath "$out")

# The shell and the tools that hosts' scripts use, and the programs for accounts.
applets='BUSYBOX ASH ADDGROUP ADDUSER AWK CAT CHGRP CHMOD CHOWN CHPASSWD CP CUT DD DELGROUP DELUSER DF ENV FIND FLOCK GETENT GREP HEAD ID IP IPROUTE
IPADDR IPLINK KILL LN LS MKDIR MV OD PRINTENV PRINTF PS READLINK REALPATH RM RMDIR SED SETSID SHA256SUM SLEEP SORT STAT SU SYNC TAIL TEE
TEST TEST1 TIMEOUT TOUCH TR TRUE FALSE UNAME WC WHOAMI XARGS EXPR BASENAME DIRNAME MD5SUM'
options='STATIC LFS LONG_OPTS FEATURE_SHADOWPASSWDS FEATURE_ADDUSER_TO_GROUP FEATURE_DEL_USER_FROM_GROUP FEATURE_TR_CLASSES FEATURE_SH_MATH
FEATURE_FANCY_TAIL FEATURE_FANCY_HEAD FEATURE_LS_FILETYPES FEATURE_LS_FOLLOWLINKS FEATURE_FANCY_SLEEP FEATURE_FLOAT_SLEEP SH_IS_ASH
ASH_ALIAS ASH_TEST ASH_PRINTF ASH_ECHO ASH_GETOPTS ASH_CMDCMD ASH_JOB_CONTROL FEATURE_READLINK_FOLLOW FEATURE_FANCY_SYNC
FEATURE_SYNC_FANCY EGREP FGREP FEATURE_GREP_CONTEXT FEATURE_STAT_FORMAT FEATURE_SORT_BIG FEATURE_FIND_MMIN FEATURE_FIND_MAXDEPTH
FEATURE_FIND_EXEC FEATURE_FIND_EXEC_PLUS FEATURE_FIND_TYPE FEATURE_FIND_PERM FEATURE_IP_ROUTE FEATURE_IP_ADDRESS INSTALL_APPLET_SYMLINKS'

work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work"
mkdir -p lists/partial
# The mirror that this machine's apt uses for Debian.
# shellcheck disable=SC2016 # apt's own substitution
apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
	awk '$2 == "Debian" || $1 ~ /\/debian\/$/ { print "deb-src", $1, "bookworm main"; exit }' >sources.list
sources() {
	apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root "$@"
}
echo "building busybox into $out (once, about a minute)" >&2
sources update </dev/null
sources source --download-only busybox </dev/null >/dev/null
tar -xf busybox_*.orig.tar.bz2
cd busybox-*/
make allnoconfig >/dev/null 2>&1
for option in $applets $options; do
	sed -i "s/^# CONFIG_$option is not set$/CONFIG_$option=y/" .config
done
yes '' | make oldconfig >/dev/null 2>&1 || :
sed -i -e 's/^CONFIG_LAST_ID=.*/CONFIG_LAST_ID=60000/' -e 's/^CONFIG_FIRST_SYSTEM_ID=.*/CONFIG_FIRST_SYSTEM_ID=100/' \
	-e 's/^CONFIG_LAST_SYSTEM_ID=.*/CONFIG_LAST_SYSTEM_ID=999/' .config
make -j "$(nproc)" >../log 2>&1 || { tail -n 20 ../log >&2; exit 1; }
mv busybox "$out"
