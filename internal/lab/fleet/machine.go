package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/cfg"
	"github.com/edgelb/edgelb/internal/lab/fleet/model"
)

// The paths of a simulated host's files, as on Debian.
const (
	ConfigPath   = "/etc/haproxy/haproxy.cfg"
	AdminSocket  = "/run/haproxy/admin.sock"
	MasterSocket = "/run/haproxy-master.sock"
)

// machine is a host behind its sshd: a disk with some files, and an HAProxy that is started with one of them.
type machine struct {
	counters *counters
	disk     *disk
	haproxy  *model.HAProxy
}

// counters count the events on all machines.
type counters struct {
	logins, scripts, writes, commands, reloads, failedReloads atomic.Int64
}

func newMachine(counted *counters, known model.Commands, config string) (*machine, error) {
	files := &disk{files: map[string]string{ConfigPath: config}}
	running, err := model.Start(func() string { return files.read(ConfigPath) }, files.find, known)
	if err != nil {
		return nil, err
	}
	return &machine{counters: counted, disk: files, haproxy: running}, nil
}

// idleConfig returns the initial file of a host: the one that edgelb writes for an unused host, which anyone may replace.
func idleConfig() (string, error) {
	file, err := cfg.Render(haproxy.Config{
		AdminSocket:    AdminSocket,
		MaxConnections: 1000,
		Timeouts:       haproxy.Timeouts{Connect: time.Second, Client: time.Second, Server: time.Second, Queue: time.Second},
	}, cfg.Platform{StateFile: "/run/haproxy/server-state"})
	return string(file.Text), err
}

// connect returns a dialogue with one of HAProxy's sockets; found is false if the socket does not exist.
func (m *machine) connect(path string) (serve func(io.ReadWriter), found bool) {
	var dialogue *model.Dialogue
	switch path {
	case AdminSocket:
		dialogue = m.haproxy.Worker()
	case MasterSocket:
		dialogue = m.haproxy.Master(m.reload)
	default:
		return nil, false
	}
	return func(conn io.ReadWriter) {
		_ = dialogue.Serve(conn) // the client sees an error as the end of the connection
		m.counters.commands.Add(int64(dialogue.Commands()))
	}, true
}

// reload makes HAProxy load its file.
func (m *machine) reload() {
	m.counters.reloads.Add(1)
	if !m.haproxy.Reload() {
		m.counters.failedReloads.Add(1)
	}
}

// disk holds files by their paths. Its methods are safe for concurrent use.
type disk struct {
	mu    sync.Mutex
	files map[string]string
}

// read returns the file's text; empty if it does not exist.
func (d *disk) read(path string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[path]
}

// find returns the file's text; false if it does not exist.
func (d *disk) find(path string) (text string, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, found = d.files[path]
	return text, found
}

func (d *disk) has(path string) bool {
	_, found := d.find(path)
	return found
}

// paths returns the paths with the prefix, in order.
func (d *disk) paths(prefix string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var paths []string
	for path := range d.files {
		if strings.HasPrefix(path, prefix) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

func (d *disk) write(path, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[path] = text
}

func (d *disk) remove(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, path)
}

// removeAll removes the files whose paths have the prefix.
func (d *disk) removeAll(prefix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.files, func(path, _ string) bool { return strings.HasPrefix(path, prefix) })
}

func sum(text string) string {
	hash := sha256.Sum256([]byte(text))
	return hex.EncodeToString(hash[:])
}
