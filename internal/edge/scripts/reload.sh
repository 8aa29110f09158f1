#!/bin/sh
# Makes HAProxy load its configuration. Input: how, and what that takes:
#   command WORDS…   the user's own command
#   signal PID       a master process without a master socket
#   reload INIT      the service, by systemd, openrc or sysv
#   start INIT       the same, where nothing runs
# Output: the words of whoever was asked. Exit: theirs.
IFS= read -r line
set -f
# shellcheck disable=SC2086 # words are meant to be split
set -- $line
how=$1
shift
exec 2>&1
case "$how $1" in
command*) "$@" ;;
signal*) kill -USR2 "$1" ;;
*systemd) systemctl "$how" haproxy.service ;;
*openrc) rc-service haproxy "$how" ;;
*sysv) /etc/init.d/haproxy "$how" ;;
esac
