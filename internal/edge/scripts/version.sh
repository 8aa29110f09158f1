#!/bin/sh
# Asks a HAProxy for its version. Input: the program's path.
IFS= read -r program
"$program" -v
