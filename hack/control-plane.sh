#!/bin/sh
# Puts kube-apiserver, kube-controller-manager, kubectl and etcd into the folder $1.
# They are built from their Go modules, because the module proxy is reachable wherever this project can be built; the
# download that envtest uses is not. This takes about 6 minutes on 2 cores, once: the folder's name contains the versions.
set -eu

out=${1:?usage: control-plane.sh FOLDER KUBERNETES_VERSION ETCD_VERSION}
kubernetes=${2:?the version of k8s.io/kubernetes, such as v1.36.3}
etcd=${3:?the version of go.etcd.io/etcd, such as v3.6.5}

is_complete() {
	for program in etcd kube-apiserver kube-controller-manager kubectl; do
		[ -x "$out/$program" ] || return 1
	done
}
is_complete && exit 0

mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
echo "building kubernetes $kubernetes and etcd $etcd into $out (once, about 6 minutes on 2 cores)" >&2

# A module that only requires k8s.io/kubernetes does not build: its go.mod replaces the staging modules by folders that
# the module zip does not contain. Here each is replaced by its published module (v1.36.3 -> v0.36.3).
mkdir "$work/kubernetes" "$work/etcd" "$work/bin"
cd "$work/kubernetes"
staging=v0.${kubernetes#v1.}
go mod init build >/dev/null 2>&1
go mod edit -require "k8s.io/kubernetes@$kubernetes"
gomod=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^.*"GoMod": "\(.*\)".*$/\1/p')
sed -n 's|^\t*\(k8s\.io/[a-z-]*\) => ./staging/.*$|\1|p' "$gomod" | while read -r module; do
	go mod edit -replace "$module=$module@$staging"
done
# Version stamps: the API server reports them, and kubectl compares them.
stamp=k8s.io/component-base/version
flags="-s -w -X $stamp.gitVersion=$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(echo "$kubernetes" | cut -d. -f2)"
export CGO_ENABLED=0
for program in kube-apiserver kube-controller-manager kubectl; do
	go build -mod=mod -trimpath -ldflags "$flags" -o "$work/bin/$program" "k8s.io/kubernetes/cmd/$program"
done

cd "$work/etcd"
go mod init build >/dev/null 2>&1
go mod edit -require "go.etcd.io/etcd/server/v3@$etcd"
cat >main.go <<'GO'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
GO
go build -mod=mod -trimpath -ldflags '-s -w' -o "$work/bin/etcd" .
# Only complete programs are moved.
mv "$work"/bin/* "$out"
is_complete
