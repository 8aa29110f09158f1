package fault

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/accept"
)

func TestMain(m *testing.M) { lab.Main(m) }

func TestAWireCountsChangesOfDirection(t *testing.T) {
	t.Parallel()
	wire, talk := layWire(t)
	for range 3 {
		requireEcho(t, talk, "a question")
	}
	if got := wire.Steps(); got != 6 {
		t.Errorf("%d steps, want 6", got)
	}
	wire.At(0, nil)
	requireEcho(t, talk, "another one")
	if got := wire.Steps(); got != 2 {
		t.Errorf("%d steps since then, want 2", got)
	}
}

func TestAWireActsBeforeItForwardsTheBytesOfTheStep(t *testing.T) {
	t.Parallel()
	wire, talk := layWire(t)
	acted := 0
	wire.At(4, func() {
		acted++
		wire.Cut()
	})
	requireEcho(t, talk, "a question")
	if _, err := fmt.Fprintln(talk, "the last one"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(talk); len(answer) > 0 {
		t.Errorf("the answer %q (%v) passed", answer, err)
	}
	wire.At(0, nil)
	if acted != 1 {
		t.Errorf("acted %d times, want once", acted)
	}
}

func TestABlackHoleIsSilentUntilItIsMended(t *testing.T) {
	t.Parallel()
	wire, talk := layWire(t)
	requireEcho(t, talk, "a question")
	wire.BlackHole()
	if _, err := fmt.Fprintln(talk, "into the hole"); err != nil {
		t.Fatal(err)
	}
	if err := talk.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := talk.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("out of the hole came %v", err)
	}
	if err := talk.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	wire.Mend()
	if answer, err := bufio.NewReader(talk).ReadString('\n'); answer != "into the hole\n" {
		t.Errorf("after that, %q (%v)", answer, err)
	}
}

// layWire starts a wire to an echo server, and connects through it.
func TestAHostSeesTheSourceAddressOfTheWire(t *testing.T) {
	t.Parallel()
	source := lab.ClientAddresses(7).IPv4
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	wire, err := Lay(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort(host.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	for _, want := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), source} {
		if want == source {
			wire.ComeFrom(source)
		}
		talk, err := net.Dial("tcp", wire.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		seen, err := host.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := netip.MustParseAddrPort(seen.RemoteAddr().String()).Addr(); got != want {
			t.Errorf("the host sees %s, want %s", got, want)
		}
		seen.Close()
		talk.Close()
	}
}

func layWire(t *testing.T) (*Wire, net.Conn) {
	t.Helper()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accept.Each(t, server, func(conn net.Conn) {
		_, _ = io.Copy(conn, conn)
	})
	wire, err := Lay(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort(server.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	talk, err := net.Dial("tcp", wire.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { talk.Close() })
	return wire, talk
}

func requireEcho(t *testing.T, talk net.Conn, text string) {
	t.Helper()
	if _, err := fmt.Fprintln(talk, text); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len(text)+1)
	if _, err := io.ReadFull(talk, answer); err != nil || string(answer) != text+"\n" {
		t.Fatalf("answer %q, %v", answer, err)
	}
}

func TestTrafficReportsLosses(t *testing.T) {
	t.Parallel()
	addresses := lab.PodAddresses(200)
	backend, err := lab.StartBackend(t.Context(), lab.BackendOptions{Name: "b", Addresses: addresses, Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	load := Load{Rate: 200, LongLived: 5, At: []netip.AddrPort{netip.AddrPortFrom(addresses.IPv4, 80)}}
	client := lab.Client{Addresses: lab.ClientAddresses(20)}
	well, err := StartTraffic(t.Context(), client, load)
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, func() error {
		if served := backend.Served(); served < 20 {
			return fmt.Errorf("only %d served", served)
		}
		return nil
	})
	at := load.At[0]
	if result := well.Stop(); result.Lost+result.Cut > 0 || result.Answered < 10 || result.LongLived != 5 || result.ByAddress[at].OK != result.Answered {
		t.Errorf("with a backend: %s", result)
	}

	ill, err := StartTraffic(t.Context(), client, load)
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Close(); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, func() error {
		ill.mu.Lock()
		defer ill.mu.Unlock()
		if ill.result.Cut < 5 {
			return fmt.Errorf("only %d cut", ill.result.Cut)
		}
		return nil
	})
	result := ill.Stop()
	if result.Lost == 0 || result.Cut != 5 || !strings.Contains(result.String(), "refused") ||
		result.ByAddress[at].Refused == 0 || result.LongestGap == 0 || result.LongestGap != result.ByAddress[at].LongestGap {
		t.Errorf("without a backend: %s", result)
	}
}

func TestAFullDiskRefusesWritesUntilUndone(t *testing.T) {
	t.Parallel()
	host := startHost(t, lab.EdgeHostOptions{Number: 1, ConfigRoom: 128 << 10})
	config, err := host.ReadConfig()
	if err != nil {
		t.Fatal(err)
	}
	undo, err := FillDisk(host)
	if err != nil {
		t.Fatal(err)
	}
	large := config + strings.Repeat("# and more\n", 1<<10)
	if err := host.WriteConfig(large); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("with a full disk: %v, want no space", err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if err := host.WriteConfig(large); err != nil {
		t.Errorf("with room: %v", err)
	}
}

func TestAPinnedFileCannotBeReplaced(t *testing.T) {
	t.Parallel()
	host := startHost(t, lab.EdgeHostOptions{Number: 2})
	for name, pin := range map[string]func() (func() error, error){
		"as PinConfig does": func() (func() error, error) {
			_, undo, err := PinConfig(host)
			return undo, err
		},
		"by a mount": func() (func() error, error) { return host.UncoverConfig, host.CoverConfig() },
	} {
		undo, err := pin()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if output, err := replaceConfig(t, host); err == nil {
			t.Errorf("%s: it was replaced: %s", name, output)
		}
		if err := undo(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if output, err := replaceConfig(t, host); err != nil {
			t.Errorf("%s: after that it cannot be replaced: %v %s", name, err, output)
		}
	}
}

// replaceConfig replaces haproxy.cfg by a copy, on the host.
func replaceConfig(t *testing.T, host *lab.EdgeHost) (string, error) {
	t.Helper()
	client, err := host.DialSSH(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, err := session.CombinedOutput(fmt.Sprintf("cp %[1]s %[1]s.new && mv -f %[1]s.new %[1]s", host.ConfigPath))
	return string(bytes.TrimSpace(output)), err
}

func TestAClockIsWrongForSessions(t *testing.T) {
	t.Parallel()
	env, err := Clock(-48 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	host := startHost(t, lab.EdgeHostOptions{Number: 3, Env: env})
	client, err := host.DialSSH(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, err := session.Output("date +%s")
	var seconds int64
	if _, scanned := fmt.Sscan(string(output), &seconds); err != nil || scanned != nil {
		t.Fatalf("date says %q, %v", output, err)
	}
	if off := time.Until(time.Unix(seconds, 0)).Round(time.Hour); off != -48*time.Hour {
		t.Errorf("the clock is wrong by %s, want -48h", off)
	}
}

func startHost(t *testing.T, options lab.EdgeHostOptions) *lab.EdgeHost {
	t.Helper()
	host, err := lab.StartEdgeHost(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	lab.LogOnFailure(t, host)
	return host
}
