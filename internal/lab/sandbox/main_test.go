package sandbox

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
)

// envProgram makes the test binary a program that enters a sandbox, as one of programs.
const envProgram = "SANDBOX_TEST_PROGRAM"

func testNetwork() Network {
	return Network{
		Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8:e::1")},
		Local:     []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10:244::/64")},
	}
}

func TestMain(m *testing.M) {
	if err := Enter(testNetwork()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUnavailable)
	}
	if program, found := programs()[os.Getenv(envProgram)]; found {
		os.Exit(program())
	}
	os.Exit(m.Run())
}

// programs are the programs for sandboxes that a test starts; each returns its exit status.
func programs() map[string]func() int {
	return map[string]func() int{
		"seven":  func() int { return 7 },
		"panic":  func() int { panic("as asked") },
		"linger": linger,
		"signal": awaitSignal,
	}
}

// linger creates files, a machine, and processes that neither a terminal nor a process group ends, prints the path of the files,
// and waits.
func linger() int {
	for range 3 {
		sleep := exec.Command("sleep", "1000")
		sleep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := sleep.Start(); err != nil {
			return 1
		}
	}
	if _, err := os.MkdirTemp("", "left"); err != nil {
		return 1
	}
	if err := os.WriteFile(filepath.Join(Dir(), "left"), nil, 0o600); err != nil {
		return 1
	}
	if _, err := lingerInMachine(); err != nil {
		return 1
	}
	fmt.Println(Dir())
	select {}
}

func lingerInMachine() (*process.Process, error) {
	m, err := StartMachine(Dir())
	if err != nil {
		return nil, err
	}
	return m.Start(process.Command{Program: "/bin/sleep", Args: []string{"1000"}, Log: filepath.Join(Dir(), "log")})
}

// awaitSignal prints that it waits, and then how many SIGINTs it gets before a SIGTERM.
func awaitSignal() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	fmt.Println("waiting")
	interrupts := 0
	for s := range signals {
		if s == unix.SIGTERM {
			break
		}
		interrupts++
		fmt.Println("interrupted")
	}
	return interrupts
}
