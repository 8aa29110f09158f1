package setup

import (
	"os"
	"strings"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/debian"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// test/e2e has the host that is set up without sudo and then served.
func TestWithoutSudoIsRefusedWhereItDoesNotFit(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "booting a Debian")
	host, err := debian.Start(t.Context(), debian.Options{Number: 1, Root: "../../bin/debian-12", Fresh: true})
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	script, err := os.ReadFile("../../hack/edge-host-setup.sh")
	must(t, err)
	must(t, os.WriteFile(host.Path("/root/setup.sh"), script, 0o755))
	key, _ := newKey(t)
	on := func(commands string) {
		t.Helper()
		_, err := host.Exec(t.Context(), "sh", "-euc", commands)
		must(t, err)
	}
	refuses := func(says string, args ...string) {
		t.Helper()
		_, err := host.Exec(t.Context(), append([]string{"/root/setup.sh", "--key", key}, args...)...)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("it says %v, want %q", err, says)
		}
	}

	for _, test := range []struct{ change, back, says string }{
		{"echo EXTRAOPTS= >>/etc/default/haproxy", "sed -i /^EXTRAOPTS=/d /etc/default/haproxy", "sets EXTRAOPTS, which --no-sudo has to set: remove that line"},
		{"printf 'frontend mine\\n bind :80\\n' >>/etc/haproxy/haproxy.cfg", "sed -i '/^frontend mine/,$d' /etc/haproxy/haproxy.cfg", "HAProxy serves listeners of /etc/haproxy/haproxy.cfg"},
		{"sed 's/ -p .PIDFILE//' /lib/systemd/system/haproxy.service >/etc/systemd/system/haproxy.service; systemctl daemon-reload",
			"rm /etc/systemd/system/haproxy.service; systemctl daemon-reload", "which has no $PIDFILE in its ExecStart"},
		{"mv /usr/sbin/haproxy /root", "mv /root/haproxy /usr/sbin", "--no-sudo needs HAProxy: install it"},
		{"ln -s /root /etc/haproxy/edgelb", "rm /etc/haproxy/edgelb", "/etc/haproxy/edgelb is no folder"},
	} {
		on(test.change)
		refuses(test.says, "--no-sudo")
		on(test.back)
	}
	on("/root/setup.sh --remove; /root/setup.sh --no-sudo --key '" + key + "'")
	refuses("this host is set up with --no-sudo: run --remove first, or add --no-sudo")
	on("echo '# changed' >>/etc/systemd/system/haproxy.service.d/edgelb.conf; /root/setup.sh --no-sudo")
	on("if grep changed /etc/systemd/system/haproxy.service.d/edgelb.conf; then exit 1; fi; /root/setup.sh --no-sudo --check; /root/setup.sh --remove")
	on("! id edgelb && ! ls -d /etc/haproxy/edgelb /etc/systemd/system/haproxy.service.d /var/lib/edge-host-setup && systemctl is-active haproxy")

	on("mkdir /etc/systemd/system/haproxy.service.d; echo '# mine' >/etc/systemd/system/haproxy.service.d/edgelb.conf")
	refuses("edgelb.conf exists, and this script has not made it", "--no-sudo")
	on("/root/setup.sh --remove; rm -r /etc/systemd/system/haproxy.service.d; /root/setup.sh --key '" + key + "'")
	refuses("this host is set up with sudo: run --remove first, or leave out --no-sudo", "--no-sudo")
}
