package fleet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// loginTimeout is how long a client may take to log in.
const loginTimeout = 30 * time.Second

// sshd serves the machines. All of them share one host key, and one key may log in.
type sshd struct {
	config  *ssh.ServerConfig
	scripts map[string]script
}

func newSSHD(hostKey ssh.Signer, authorized ssh.PublicKey, scripts map[string]script) *sshd {
	allowed := authorized.Marshal()
	config := &ssh.ServerConfig{
		// Not the newest key exchange, but the one that Debian 12's sshd and x/crypto/ssh agree on.
		Config:        ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}},
		ServerVersion: "SSH-2.0-OpenSSH_9.2p1 simulated",
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if !bytes.Equal(key.Marshal(), allowed) {
				return nil, errors.New("this key may not log in")
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(hostKey)
	return &sshd{config: config, scripts: scripts}
}

// listen serves a machine until the listener is closed.
func (s *sshd) listen(listener net.Listener, m *machine) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn, m)
	}
}

// serve serves one connection. On an error it closes the connection.
func (s *sshd) serve(tcp net.Conn, m *machine) {
	defer tcp.Close()
	_ = tcp.SetDeadline(time.Now().Add(loginTimeout))
	conn, channels, requests, err := ssh.NewServerConn(tcp, s.config)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = tcp.SetDeadline(time.Time{})
	m.counters.logins.Add(1)
	// Keepalives are answered as sshd does: as unknown requests.
	go ssh.DiscardRequests(requests)
	for request := range channels {
		switch request.ChannelType() {
		case "session":
			go s.session(request, m)
		case "direct-streamlocal@openssh.com":
			go forward(request, m)
		default:
			_ = request.Reject(ssh.UnknownChannelType, "unknown channel type")
		}
	}
}

// forward connects a channel to a unix socket.
func forward(request ssh.NewChannel, m *machine) {
	var open struct {
		Path      string
		Reserved0 string
		Reserved1 uint32
	}
	if err := ssh.Unmarshal(request.ExtraData(), &open); err != nil {
		_ = request.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	serve, found := m.connect(open.Path)
	if !found {
		_ = request.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	serve(channel)
	_ = channel.Close()
}

// session runs one command.
func (s *sshd) session(request ssh.NewChannel, m *machine) {
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	started := false
	for r := range requests {
		var exec struct{ Command string }
		runs := r.Type == "exec" && !started && ssh.Unmarshal(r.Payload, &exec) == nil
		if r.WantReply {
			_ = r.Reply(runs, nil)
		}
		if runs {
			started = true
			go s.exec(channel, m, exec.Command)
		}
	}
}

func (s *sshd) exec(channel ssh.Channel, m *machine, command string) {
	defer channel.Close()
	ended := m.run(s.scripts, command, channel)
	_, errOut := io.WriteString(channel, ended.stdout)
	_, errErr := io.WriteString(channel.Stderr(), ended.stderr)
	if errors.Join(errOut, errErr) != nil {
		return
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(ended.exit)}))
}
