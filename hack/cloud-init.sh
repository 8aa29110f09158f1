#!/bin/sh
# Unpacks Debian's cloud-init into the folder $1, for its judgement of user data, without installing it: it would take over this machine
# at its next boot. An existing folder is not changed. The program is $1/cloud-init.
set -eu

out=${1:?usage: cloud-init.sh FOLDER}
[ ! -d "$out" ] || exit 0

# What `cloud-init schema` imports, besides Python itself.
packages='cloud-init python3-attr python3-certifi python3-charset-normalizer python3-chardet python3-configobj python3-idna python3-jinja2
python3-json-pointer python3-jsonpatch python3-jsonschema python3-markupsafe python3-netifaces python3-oauthlib python3-pyrsistent
python3-requests python3-six python3-urllib3 python3-yaml'

mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM HUP
echo "unpacking cloud-init into $out (once)" >&2
mkdir "$work/packages" "$work/root"
# shellcheck disable=SC2086 # the list is meant to be split
(cd "$work/packages" && apt-get -qq -o APT::Sandbox::User=root download $packages </dev/null)
for package in "$work"/packages/*.deb; do
	dpkg-deb --extract "$package" "$work/root"
done
rm -r "$work/packages"
cat >"$work/cloud-init" <<'SH'
#!/bin/sh
PYTHONPATH=$(dirname "$0")/root/usr/lib/python3/dist-packages exec python3 -m cloudinit.cmd.main "$@"
SH
chmod 755 "$work" "$work/cloud-init"
mv -T "$work" "$out"
