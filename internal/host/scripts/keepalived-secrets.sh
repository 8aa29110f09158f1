#!/bin/sh
# Puts the files of Secrets in place that commands of virtual routers get, and the folder for the results of the commands. Arguments: the
# folder of the files; the folder for the results; the account that runs the commands, which alone may read the files; for each folder
# of an instance that is left as it is "- INSTANCE"; for each file "SIZE INSTANCE/KEY". All other files are removed.
# Payload: the files, in that order.
# Exit: 0 if that was done.
secrets=${1:?} notices=${2:?} user=${3:?}
shift 3
set -e
umask 077
[ -d "$notices" ] || mkdir -p "$notices"
chown -h "$user" "$notices"
mkdir -p "$secrets"
chmod 755 "$secrets"
all=$secrets/.new-$$
trap 'rm -f "$all" "$all.file" "$all.names"' EXIT
cat >"$all"
# shellcheck disable=SC2154 # the loader has set it
[ "$(wc -c <"$all")" -eq "$payload_size" ]
at=1
true >"$all.names"
for file in "$@"; do
	size=${file%% *} name=${file#* }
	printf '%s\n' "$name" >>"$all.names"
	[ "$size" != - ] || continue
	tail -c "+$at" "$all" | head -c "$size" >"$all.file"
	at=$((at + size))
	mkdir -p "$secrets/${name%%/*}"
	chmod 755 "$secrets/${name%%/*}"
	chown "$user" "$all.file"
	chmod 400 "$all.file"
	sync "$all.file" 2>/dev/null || sync
	mv -f "$all.file" "$secrets/$name"
done
find "$secrets" -type f ! -path "$all*" | while IFS= read -r file; do
	name=${file#"$secrets"/}
	grep -qxF -e "$name" -e "${name%%/*}" "$all.names" || rm -f "$file"
done
rm -f "$all" "$all.file" "$all.names"
find "$secrets" -type d -empty -delete 2>/dev/null || rmdir "$secrets"/* "$secrets" 2>/dev/null || :
! command -v restorecon >/dev/null || [ ! -d "$secrets" ] || restorecon -R "$secrets" 2>/dev/null || :
