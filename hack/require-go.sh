#!/bin/sh
# Prints in one line that Go is missing, or older than go.mod requires.
set -eu

wanted=$(sed -n 's/^go //p' go.mod)
if ! command -v go >/dev/null; then
	echo "Go $wanted or newer is needed and not in PATH: install it from https://go.dev/dl/" >&2
	exit 1
fi
# In a module that requires a newer Go, every go command fails, or downloads that Go.
if ! reason=$(go list -m 2>&1); then
	echo "Go $wanted or newer is needed: install it from https://go.dev/dl/ ($reason)" >&2
	exit 1
fi
