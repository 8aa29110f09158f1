package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/edgelb/edgelb/internal/lab"
	"github.com/edgelb/edgelb/internal/lab/process"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// envOptions makes a process run the hosts. Only this package reads it.
const envOptions = "EDGELB_LAB_FLEET"

// startTimeout is how long the hosts may take to start.
const startTimeout = waiting.Long

// Serve runs the hosts in this process, and does not return, if Start has started the process. A program that calls Start must
// call Serve before anything else except lab.Enter.
func Serve() {
	text := os.Getenv(envOptions)
	if text == "" {
		return
	}
	if err := serve(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// settings are the settings of the process that runs the hosts.
type settings struct {
	Options
	// Control is the path of its control socket.
	Control string
}

func serve(text string) error {
	var given settings
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return err
	}
	all, err := startHosts(context.Background(), given.Options)
	if err != nil {
		return err
	}
	control, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", given.Control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: all.control(), ReadHeaderTimeout: time.Second}
	return server.Serve(control)
}

// Fleet is a process that runs simulated hosts.
type Fleet struct {
	options Options
	dir     string
	process *process.Process
	control *http.Client
}

// Start starts the hosts in a separate process of this program, and returns when login works.
func Start(ctx context.Context, options Options) (*Fleet, error) {
	dir, err := os.MkdirTemp(lab.Dir(), "fleet-")
	if err != nil {
		return nil, err
	}
	f := &Fleet{options: options, dir: dir}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the simulated hosts: %w", err), f.Close())
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	socket := filepath.Join(f.dir, "control")
	given, err := json.Marshal(settings{Options: f.options, Control: socket})
	if err != nil {
		return err
	}
	f.control = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	f.process, err = process.Start(process.Command{
		Program: "/proc/self/exe",
		Env:     []string{envOptions + "=" + string(given)},
		Log:     filepath.Join(f.dir, "log"),
	})
	if err != nil {
		return err
	}
	return f.process.Await(ctx, func(ctx context.Context) error {
		_, err := f.Counters(ctx)
		return err
	})
}

// Close stops the hosts. It may be called more than once.
func (f *Fleet) Close() error {
	f.process.Kill()
	return os.RemoveAll(f.dir)
}

// PID returns the PID of the process.
func (f *Fleet) PID() int { return f.process.PID() }

// Logs returns the end of the process's log.
func (f *Fleet) Logs() map[string]string {
	return map[string]string{"fleet": process.Tail(filepath.Join(f.dir, "log"))}
}

// KnownHosts returns the lines of a known_hosts file, one for each host.
func (f *Fleet) KnownHosts() (string, error) {
	signer, err := ssh.ParsePrivateKey(f.options.HostKey)
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for number := f.options.First; number < f.options.First+f.options.Hosts; number++ {
		fmt.Fprintln(&lines, knownhosts.Line([]string{Address(number).String()}, signer.PublicKey()))
	}
	return lines.String(), nil
}

// Counters returns the counters.
func (f *Fleet) Counters(ctx context.Context) (Counters, error) {
	var counted Counters
	text, err := f.get(ctx, "/counters")
	if err != nil {
		return Counters{}, err
	}
	return counted, json.Unmarshal(text, &counted)
}

// ServersState returns the answer of the host's HAProxy to `show servers state`.
func (f *Fleet) ServersState(ctx context.Context, number int) ([]byte, error) {
	return f.get(ctx, fmt.Sprintf("/servers?host=%d", number))
}

func (f *Fleet) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fleet"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := f.control.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the simulated hosts answer %s to %s: %s", response.Status, path, text)
	}
	return text, err
}
