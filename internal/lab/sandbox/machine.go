package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/edgelb/edgelb/internal/lab/process"
)

// Machine is a part of the sandbox that looks like a separate machine to its programs: they see only each other's processes,
// and some directories are the machine's instead of the sandbox's. The network is the sandbox's. Its methods must not be
// called concurrently.
type Machine struct {
	init *exec.Cmd
	// conn is the connection to the machine's init, which answers each request with a reply.
	conn *net.UnixConn
}

// machineSetup is the first request to a machine's init: which directories are the machine's own.
type machineSetup struct {
	// Root contains the directories of Own, each at its full path.
	Root string
	Own  []string
}

// order is any later request: to start a program, to mount something, or to unmount a path.
type order struct {
	Launch  *process.Command `json:",omitempty"`
	Mount   *Mount           `json:",omitempty"`
	Unmount string           `json:",omitempty"`
}

// Mount is a mount in a machine; the fields are the arguments of mount(2).
type Mount struct {
	Source, Target, Type string
	Flags                uintptr
	Data                 string
}

// reply is the answer to a request. The answer to starting a program includes the program's pidfd.
type reply struct {
	// Error is empty for none.
	Error string
}

// StartMachine starts a machine whose own directories are those below root: for "/run", that is root/run. They must exist.
func StartMachine(root string, own ...string) (*Machine, error) {
	near, far, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer far.Close()
	m := &Machine{conn: near, init: exec.Command("/proc/self/exe")}
	m.init.Args[0] = os.Args[0]
	m.init.Env = append(os.Environ(), envStage+"="+stageMachine)
	m.init.Stderr = os.Stderr
	m.init.ExtraFiles = []*os.File{far}
	m.init.SysProcAttr = namespaces(unix.CLONE_NEWPID|unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN)
	if err := m.init.Start(); err != nil {
		near.Close()
		return nil, explainRefusal(err)
	}
	if _, err := m.request(machineSetup{Root: root, Own: own}); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Start starts a program in the machine.
func (m *Machine) Start(c process.Command) (*process.Process, error) {
	c.Env = append(os.Environ(), c.Env...)
	pidfd, err := m.request(order{Launch: &c})
	if err != nil {
		return nil, err
	}
	return process.Watch(c, pidfd)
}

// Mount mounts something that only the programs in the machine see.
func (m *Machine) Mount(mount Mount) error {
	_, err := m.request(order{Mount: &mount})
	return err
}

// Unmount undoes the last Mount at the path.
func (m *Machine) Unmount(target string) error {
	_, err := m.request(order{Unmount: target})
	return err
}

// Root returns the path, in the sandbox, of the machine's root as its programs see it.
func (m *Machine) Root() string { return fmt.Sprintf("/proc/%d/root", m.init.Process.Pid) }

// Close kills the machine and all its processes. It may be called more than once, and for nil.
func (m *Machine) Close() {
	if m == nil || m.init.ProcessState != nil {
		return
	}
	m.conn.Close()
	// When the first process of a PID namespace ends, the kernel kills all others.
	_ = m.init.Process.Kill()
	_ = m.init.Wait()
}

// request sends a request to init, and returns the file that came with the answer, or nil for none.
func (m *Machine) request(what any) (*os.File, error) {
	if err := json.NewEncoder(m.conn).Encode(what); err != nil {
		return nil, err
	}
	// A reply is sent at once and fits: it is an error message at most.
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, rightsN, _, _, err := m.conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, fmt.Errorf("the machine's first process has ended: %w", err)
	}
	var r reply
	if err := json.Unmarshal(text[:n], &r); err != nil {
		return nil, err
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	return passedFile(rights[:rightsN])
}

// passedFile returns the file that came with a message, or nil for none.
func passedFile(rights []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "pidfd"), nil
}

// socketPair returns a connection, and its other end for another process.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	far := os.NewFile(uintptr(fds[1]), "machine")
	near, err := unixConn(os.NewFile(uintptr(fds[0]), "machine"))
	if err != nil {
		far.Close()
		return nil, nil, err
	}
	return near, far, nil
}

// unixConn returns the connection of a unix socket. It takes ownership of the file.
func unixConn(file *os.File) (*net.UnixConn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}
