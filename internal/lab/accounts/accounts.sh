#!/bin/sh
# Becomes an sshd that finds an /etc of its own, with an account of its own, and leaves that of the machine alone.
# Arguments: a folder for all files, and the name of the account. The script runs in a mount namespace of its own.
set -e
dir=$1 account=$2
cp -a /etc "$dir/etc"
mount --bind "$dir/etc" /etc
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount -t tmpfs tmpfs /var/log
# A star is the password that nobody has, and does not lock the account as an exclamation mark does.
useradd --no-log-init --no-create-home --home-dir "$dir" --shell /bin/sh --password '*' "$account"
exec /usr/sbin/sshd -D -e -f "$dir/sshd_config"
