#!/bin/sh
# Executes an sshd with its own /etc and its own account, without changing the machine's.
# Arguments: a folder for all files, and the name of the account. The script runs in its own mount namespace.
set -e
dir=$1 account=$2
cp -a /etc "$dir/etc"
mount --bind "$dir/etc" /etc
mount -t tmpfs tmpfs /run
mkdir /run/sshd
mount -t tmpfs tmpfs /var/log
# A star matches no password, and does not lock the account as an exclamation mark does.
useradd --no-log-init --no-create-home --home-dir "$dir" --shell /bin/sh --password '*' "$account"
exec /usr/sbin/sshd -D -e -f "$dir/sshd_config"
