package hostile

import (
	"io"
	"net"

	"golang.org/x/crypto/ssh"
)

// serve serves one connection. On an error it closes the connection.
func (h *Host) serve(tcp net.Conn) {
	defer func() {
		_ = tcp.Close()
		h.mu.Lock()
		delete(h.open, tcp)
		h.mu.Unlock()
	}()
	if h.behaviour.Connection != nil {
		h.behaviour.Connection(tcp)
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(tcp, h.config)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.logins++
	h.mu.Unlock()
	go ssh.DiscardRequests(requests)
	if h.behaviour.Login != nil {
		h.running.Go(func() { h.behaviour.Login(conn) })
	}
	for request := range channels {
		h.running.Go(func() { h.answer(request) })
	}
}

// answer answers a channel request.
func (h *Host) answer(request ssh.NewChannel) {
	if h.behaviour.Open != nil && h.behaviour.Open(request) {
		return
	}
	switch request.ChannelType() {
	case "session":
		h.session(request)
	case "direct-streamlocal@openssh.com":
		h.socket(request)
	default:
		_ = request.Reject(ssh.UnknownChannelType, "unknown channel type")
	}
}

func (h *Host) socket(request ssh.NewChannel) {
	var open struct {
		Path      string
		Reserved0 string
		Reserved1 uint32
	}
	if h.behaviour.Socket == nil || ssh.Unmarshal(request.ExtraData(), &open) != nil {
		_ = request.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	h.behaviour.Socket(open.Path, &Answer{channel})
	_ = channel.Close()
}

// session runs one command.
func (h *Host) session(request ssh.NewChannel) {
	channel, requests, err := request.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		var exec struct{ Command string }
		runs := r.Type == "exec" && ssh.Unmarshal(r.Payload, &exec) == nil
		if r.WantReply {
			_ = r.Reply(runs, nil)
		}
		if !runs {
			continue
		}
		go ssh.DiscardRequests(requests)
		h.exec(channel, exec.Command)
		return
	}
}

func (h *Host) exec(channel ssh.Channel, command string) {
	exit := 127
	if h.behaviour.Exec != nil {
		exit = h.behaviour.Exec(command, &Answer{channel})
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit)}))
}

// Answer is a host's answer on one channel. Its methods return an error when the client has closed the channel.
type Answer struct{ ssh.Channel }

// Endless sends the text repeatedly, until the client closes the channel.
func (a *Answer) Endless(text string) error { return Endless(a, text) }

// Endless writes the text repeatedly, until a write fails.
func Endless(w io.Writer, text string) error {
	chunk := []byte(text)
	for len(chunk) < 32<<10 && len(text) > 0 {
		chunk = append(chunk, text...)
	}
	for {
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
}

// Bytes sends n bytes, each in its own packet.
func (a *Answer) Bytes(n int) error {
	for range n {
		if _, err := a.Write([]byte{'x'}); err != nil {
			return err
		}
	}
	return nil
}

// Hang sends nothing until the client closes its side.
func (a *Answer) Hang() {
	_, _ = io.Copy(io.Discard, a)
}
