#!/bin/sh
# Prints the SHA-256 of the configuration and of its map file, a line each; "-" if there is none. Arguments: their paths.
for file in "$1" "$2"; do
	sum=$(sha256sum <"$file") || sum=-
	printf '%s\n' "${sum%% *}"
done 2>/dev/null
exit 0
