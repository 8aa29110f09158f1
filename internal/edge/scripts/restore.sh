#!/bin/sh
# Puts the former configuration back. Input: the configuration's path. Exit: 0 if that was done.
IFS= read -r config
set -e
if [ -e "$config.edgelb-former" ]; then
	cp -p "$config.edgelb-former" "$config.edgelb-copy"
	mv -f "$config.edgelb-copy" "$config"
else
	rm -f "$config"
fi
sync
