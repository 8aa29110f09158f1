package cfg

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// life runs keepalived on a machine of its own, and prints what it does with the command of an instance. Arguments: a folder, the file of
// the configuration there, and keepalived's command.
const life = `set -eu
folder=$1 config=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs /run
grep -q '^keepalived_script:' /etc/passwd || {
	mount -t tmpfs tmpfs /mnt
	{ cat /etc/passwd; printf 'keepalived_script:x:990:990::/nonexistent:/usr/sbin/nologin\n'; } >/mnt/passwd
	{ cat /etc/group; printf 'keepalived_script:x:990:\n'; } >/mnt/group
	mount --bind /mnt/passwd /etc/passwd
	mount --bind /mnt/group /etc/group
}
ip link set lo up
ip link add eth0 type veth peer name other
ip link set other up
ip link set eth0 up
ip address add 192.0.2.2/24 dev eth0
mkdir "$folder/notices" "$folder/secret"
chown keepalived_script "$folder/notices"
printf 'token' >"$folder/secret/token"
chown keepalived_script "$folder/secret/token"
chmod 400 "$folder/secret/token"
printf '0\n' >"$folder/maintenance"
await() {
	left=300
	until [ "$(cut -d ' ' -f 2,3 "$folder/notices/notice-web" 2>/dev/null)" = "$1" ]; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || { printf 'not %s: ' "$1"; cat "$folder/notices"/* "$folder/log"; exit 1; } >&2
		sleep 0.1
	done
	printf '%s: %s\n' "$2" "$1"
}
"$@" -n -l -D -P -f "$config" -p "$folder/pid" -r "$folder/vrrp" >"$folder/log" 2>&1 &
keepalived=$!
trap 'kill "$keepalived" 2>/dev/null; wait' EXIT
await 'ran 0' start
cat "$folder/notices/told"
printf '1\n' >"$folder/maintenance.new"
mv "$folder/maintenance.new" "$folder/maintenance"
await 'left -' maintenance
printf '0\n' >"$folder/maintenance.new"
mv "$folder/maintenance.new" "$folder/maintenance"
await 'ran 0' 'after maintenance'
touch "$folder/fail"
kill -HUP "$(cat "$folder/pid")"
sleep 3
await 'ran 0' reload
printf 'told %s times\n' "$(grep -c MASTER "$folder/notices/told")"
kill "$keepalived"
await 'left -' stop
`

func TestRealKeepalivedRunsTheCommand(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "a network namespace with an interface for keepalived")
	for _, program := range programs.Keepaliveds(t) {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			// keepalived's account must get there.
			if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
				t.Fatal(err)
			}
			file := render(t, one(func(i *keepalived.Instance) {
				i.Peers, i.Addresses = nil, prefixes("192.0.2.100/24", "192.0.2.101/24")
				i.Notify = keepalived.Notify{Command: folder + "/command a=b", Secret: true}
			}))
			place := func(text []byte) string {
				return strings.NewReplacer(
					keepalived.NoticeFolder, folder+"/notices", keepalived.SecretFolder("web"), folder+"/secret", keepalived.Folder, folder,
					keepalived.ConfigPath, folder+"/keepalived.conf",
				).Replace(string(text))
			}
			writeFile(t, filepath.Join(folder, "keepalived.conf"), place(file.Text), 0o644)
			writeFile(t, filepath.Join(folder, filepath.Base(file.Scripts[0].Path)), "exit 0\n", 0o644)
			writeFile(t, filepath.Join(folder, filepath.Base(file.Scripts[1].Path)), place(file.Scripts[1].Text), 0o644)
			writeFile(t, filepath.Join(folder, "command"), `#!/bin/sh
[ ! -e ../fail ] || exit 1
printf '%s\n' "$(id -un) $* $EDGELB_STATE $EDGELB_INSTANCE $EDGELB_INTERFACE $EDGELB_ADDRESSES $(cat token)" >>../notices/told
`, 0o755)
			command := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "sh", "-c", life, "sh", folder, filepath.Join(folder, "keepalived.conf"), program)
			var errors strings.Builder
			command.Stderr = &errors
			output, err := command.Output()
			if err != nil {
				t.Fatalf("%v: %s%s", err, output, errors.String())
			}
			want := `start: ran 0
keepalived_script a=b MASTER web eth0 192.0.2.100 192.0.2.101 token
maintenance: left -
after maintenance: ran 0
reload: ran 0
told 2 times
stop: left -
`
			if string(output) != want {
				t.Errorf("got\n%s\nwant\n%s", output, want)
			}
		})
	}
}
