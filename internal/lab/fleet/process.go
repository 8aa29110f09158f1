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

// envOptions makes a process the one of the hosts. Only this package reads it.
const envOptions = "EDGELB_LAB_FLEET"

// startTimeout is how long the hosts may take to come up.
const startTimeout = waiting.Long

// Serve makes this process that of the hosts, and does not return, if Start has started it. A program that calls Start has to
// call Serve before anything else but lab.Enter.
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

// settings are what the process of the hosts is told.
type settings struct {
	Options
	// Control is the path of the socket on which it answers.
	Control string
}

func serve(text string) error {
	var told settings
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		return err
	}
	all, err := startHosts(context.Background(), told.Options)
	if err != nil {
		return err
	}
	control, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", told.Control)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: all.control(), ReadHeaderTimeout: time.Second}
	return server.Serve(control)
}

// Fleet is a process with simulated hosts.
type Fleet struct {
	options Options
	dir     string
	process *process.Process
	control *http.Client
}

// Start starts the hosts in a process of their own, which is this very program again, and returns when they can be logged
// in to.
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
	told, err := json.Marshal(settings{Options: f.options, Control: socket})
	if err != nil {
		return err
	}
	f.control = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	f.process, err = process.Start(process.Command{
		Program: "/proc/self/exe",
		Env:     []string{envOptions + "=" + string(told)},
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

// Close ends the hosts. It may be called more than once.
func (f *Fleet) Close() error {
	f.process.Kill()
	return os.RemoveAll(f.dir)
}

// PID is that of the process.
func (f *Fleet) PID() int { return f.process.PID() }

// Logs is the end of the process's log.
func (f *Fleet) Logs() map[string]string {
	return map[string]string{"fleet": process.Tail(filepath.Join(f.dir, "log"))}
}

// KnownHosts are the lines of a known_hosts file, one for each host.
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

// Counters asks what happened so far.
func (f *Fleet) Counters(ctx context.Context) (Counters, error) {
	var counted Counters
	text, err := f.get(ctx, "/counters")
	if err != nil {
		return Counters{}, err
	}
	return counted, json.Unmarshal(text, &counted)
}

// ServersState is what the host's HAProxy answers to `show servers state`.
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
