package e2e

import (
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/lab/accept"
)

// hostileHost starts an SSH host that offers a host key algorithm with that name. It returns its port.
func (w *world) hostileHost(algorithm string) int32 {
	w.t.Helper()
	// The message that begins a key exchange; see RFC 4253, 7.1.
	body := ssh.Marshal(struct {
		Cookie                                                                           [16]byte `sshtype:"20"`
		Kex, HostKey, CipherUp, CipherDown, MACUp, MACDown, ZipUp, ZipDown, LangUp, Lang []string
		FirstFollows                                                                     bool
		Reserved                                                                         uint32
	}{Kex: ssh.SupportedAlgorithms().KeyExchanges, HostKey: []string{algorithm}})
	padding := 16 - (len(body)+5)%8
	length := 1 + len(body) + padding
	packet := append([]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), byte(padding)}, body...)
	packet = append(packet, make([]byte, padding)...)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	accept.Each(w.t, listener, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n"+string(packet))
		_, _ = io.Copy(io.Discard, conn)
	})
	return int32(listener.Addr().(*net.TCPAddr).Port)
}

// Text from a host whose key is not verified may be very long, and contain control characters.
func TestAHostileHostKeepsNothingOfTheOthersOutOfTheStatus(t *testing.T) {
	t.Parallel()
	r := serving(t, 1)
	port := r.hostileHost(strings.Repeat("\x1b[2J\x1b]0;owned\a", 8000))

	r.update(r.elb, func() {
		r.elb.Spec.Hosts = append(r.elb.Spec.Hosts, v1alpha1.Host{
			Name: "evil", Address: "127.0.0.1", Port: &port,
			HostKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"},
		})
	})

	host := r.awaitHost(r.elb, "evil", v1alpha1.HostUntrusted, `it offers \x1b[2J`)
	if strings.ContainsRune(host.Message, '\x1b') {
		t.Errorf("message %q", host.Message)
	}
	must(t, r.app.AddPod(t.Context(), "web-b"))
	r.awaitSummary(r.elb, "2/2")
	r.awaitHost(r.elb, r.gw1().Name, v1alpha1.HostSynced, "")
}
