package ssh

import (
	"io"
	"testing"

	"github.com/edgelb/edgelb/internal/lab/sshkeys"
)

func BenchmarkConnect(b *testing.B) {
	key := sshkeys.New(b)
	target := startSSHD(b, sshkeys.Public(b, key)).target(b, key)
	for b.Loop() {
		conn, err := Dial(b.Context(), target)
		if err != nil {
			b.Fatal(err)
		}
		conn.Close()
	}
}

func BenchmarkRun(b *testing.B) {
	_, conn := connect(b)
	for b.Loop() {
		if _, _, exit, err := conn.Run(b.Context(), "true", nil, anything); err != nil || exit != 0 {
			b.Fatalf("exit %d, error %v", exit, err)
		}
	}
}

func BenchmarkDialUnix(b *testing.B) {
	_, conn := connect(b)
	path := echoSocket(b)
	for b.Loop() {
		stream, err := conn.DialUnix(b.Context(), path, anything)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.WriteString(stream, "show info\n"); err != nil {
			b.Fatal(err)
		}
		if err := stream.CloseWrite(); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadAll(stream); err != nil {
			b.Fatal(err)
		}
		stream.Close()
	}
}
