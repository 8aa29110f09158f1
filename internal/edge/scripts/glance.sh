#!/bin/sh
# Prints the SHA-256 of the configuration and of its file of names, a line each; "-" where there is none. Input: their paths.
IFS= read -r config
IFS= read -r names
for file in "$config" "$names"; do
	sum=$(sha256sum "$file" 2>/dev/null) || sum=-
	echo "${sum%% *}"
done
exit 0
