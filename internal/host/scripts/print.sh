#!/bin/sh
# Prints a configuration that edgelb has written, and its map file. Arguments: the path of the configuration; what the paths of map files
# begin with, which end with digits of the structure hash.
# Output: the size of the configuration in bytes, the configuration, and the map file if there is one. Exit: not 0 if it cannot be read.
config=${1:?} prefix=${2:?}
set -e
structure=$(sed -n '1,12s/^# structure: \([0-9a-f]\{16\}\).*/\1/p' "$config")
size=$(wc -c <"$config")
printf '%s\n' "$((size))"
cat "$config"
[ ! -e "$prefix$structure" ] || cat "$prefix$structure"
