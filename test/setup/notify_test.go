package setup

import (
	"net/netip"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/keepalived"
	"github.com/edgelb/edgelb/internal/keepalived/cfg"
	"github.com/edgelb/edgelb/internal/keepalived/facts"
)

// busybox has a su of its own, as the distributions have.
func TestACommandIsRunAsItsAccountAloneAndLeavesWithIt(t *testing.T) {
	t.Parallel()
	onEachShell(t, func(r *root) {
		// keepalived goes on reading that.
		r.write(keepalived.MaintenancePath, 0o644, "0\n")
		before := r.files()
		key, _ := newKey(r.t)
		r.succeeds("--key", key)
		m := r.start()
		m.requireToldAs(keepalived.ScriptUser)
		r.succeeds("--remove")
		r.requireFiles(before)
	})
}

// requireToldAs has the machine run a command with a Secret, as the operator does, and fails the test unless the account has run it.
func (m *machine) requireToldAs(account string) {
	m.t.Helper()
	const token = "s3cret-$(id)-'\"token"
	m.write("usr/bin/tell", 0o755, "#!/bin/sh\numask 022\nprintf '%s\\n' \"$(id -un) $(id -Gn) $* $EDGELB_ADDRESSES $(cat token)\" >/tmp/told\n")
	i := keepalived.Instance{
		Name: "ns.web", Interface: "eth0", RouterID: 33, Priority: 250, Advertisement: time.Second, Source: netip.MustParseAddr("192.0.2.2"), Multicast: true,
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24"), netip.MustParsePrefix("2001:db8::100/64")},
		Notify:    keepalived.Notify{Command: "/usr/bin/tell a=b", Secret: true},
	}
	file, err := cfg.Render(keepalived.Config{Owner: "cluster/ns", Host: "gw1:22", CheckSocket: "/run/haproxy/check.sock", Instances: []keepalived.Instance{i}})
	must(m.t, err)
	m.operates("keepalived-prepare", nil, keepalived.Folder, keepalived.ResultFolder, account, "0")
	m.operates("keepalived-secrets", []byte(token), keepalived.SecretsFolder, keepalived.NoticeFolder, account, "20 ns.web/token")
	m.write(file.Scripts[1].Path, 0o644, string(file.Scripts[1].Text))
	m.operates("keepalived-notify", nil, account, file.Scripts[1].Path)
	m.await("the command succeeds", func() bool {
		seen := facts.Parse([]byte(m.operates("keepalived-observe", nil, keepalived.ConfigPath, keepalived.Folder, keepalived.ResultPath, account,
			keepalived.NoticeFolder, keepalived.NoticePrefix, "state")))
		notice := seen.Notices[i.Name]
		return notice.ID == cfg.NotifierOf(i) && notice.State == facts.NoticeRan && notice.Secret == keepalived.SecretFiles{"token": []byte(token)}.ID()
	})
	if got, want := m.read("tmp/told"), account+" "+account+" a=b 192.0.2.100 2001:db8::100 "+token+"\n"; got != want {
		m.t.Errorf("the command got\n%swant\n%s", got, want)
	}
	if got := m.asAccount("edgelb", "cat "+keepalived.SecretFolder(i.Name)+"/token"); got.status == 0 {
		m.t.Errorf("another account reads %q", got.stdout)
	}
}
