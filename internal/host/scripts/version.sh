#!/bin/sh
# Prints the version of a HAProxy. Arguments: the program's path.
"$1" -v
