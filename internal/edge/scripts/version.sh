#!/bin/sh
# Asks a HAProxy for its version. Arguments: the program's path.
"$1" -v
