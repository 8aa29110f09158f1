package facts_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/facts"
	"github.com/edgelb/edgelb/internal/haproxy/plan"
	"github.com/edgelb/edgelb/internal/host/scripts"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/shells"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// runScript runs a script for real, through the command line, and returns its output.
func runScript(t *testing.T, cmd *exec.Cmd, call scripts.Call) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(call.Input), &stderr
	output, err := cmd.Output()
	own, ran := call.Output(output)
	if err != nil || !ran {
		t.Fatalf("%v: %s%s", err, output, stderr.String())
	}
	return own
}

func newCall(t *testing.T, name string, args ...string) scripts.Call {
	t.Helper()
	call, err := scripts.NewCall(name, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// startHAProxy starts a program named haproxy, which only waits, as the account. The first argument is its argv[0]; it gets the
// others as arguments.
func startHAProxy(t *testing.T, folder string, uid int, args ...string) {
	t.Helper()
	startHAProxyThat(t, "read line", folder, uid, args...)
}

// startHAProxyThat is startHAProxy with a program that runs the shell script, whose arguments it gets.
func startHAProxyThat(t *testing.T, runs, folder string, uid int, args ...string) {
	t.Helper()
	program, script := filepath.Join(folder, "haproxy"), filepath.Join(folder, "wait.sh")
	if text, err := exec.Command("cp", "/bin/dash", program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := os.WriteFile(script, []byte(runs+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: program, Args: append([]string{args[0], script}, args[1:]...), SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}}
	if uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// openFolder returns a folder that every account can list.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "facts")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestTheScriptSeesAHostAsItIs(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := openFolder(t)
		config := filepath.Join(folder, "haproxy.cfg")
		if err := os.WriteFile(config, []byte("# a comment\nfrontend web extra\n  bind :8080 v6only\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(folder, "haproxy")
		startHAProxy(t, folder, os.Getuid(), "/another/haproxy", "-W", "-S", "/run/master.sock", "-f", config)

		f := facts.ParseFacts(runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock")), config)

		if f.Config != config || !f.File.Exists || len(f.File.SHA256) != 64 || len(f.File.Binds["web"]) != 1 || f.File.Binds["web"][0] != ":8080" {
			t.Errorf("facts = %+v", f)
		}
		if !f.IsRunning() || f.Program() != program || f.Leader().MasterSocket() != "/run/master.sock" {
			t.Errorf("ours = %+v, and %q is run", f.Own, f.Program())
		}
		if exposed := f.Exposed(folder); exposed != "" {
			t.Errorf("the folder is ours, and %s", exposed)
		}
		if exposed := f.Exposed(program); exposed != "" {
			t.Errorf("the program is ours, and %s", exposed)
		}
	})
}

// The script of an operator that was killed may go on, and replace the file in the middle of an observation.
func TestAFileThatIsReplacedMeanwhileIsSeenAsOneOfTheTwo(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := openFolder(t)
		config := filepath.Join(folder, "haproxy.cfg")
		settings := map[string]string{}
		var texts []string
		for _, bind := range []string{":8080", ":8081"} {
			text := "# Managed by edgelb.\nfrontend web\n  bind " + bind + "\n"
			texts = append(texts, text)
			settings[fmt.Sprintf("%x", sha256.Sum256([]byte(text)))] = plan.SettingsSHA256([]byte(text)) + bind
		}
		replace := func(text string) {
			if err := errors.Join(os.WriteFile(config+".new", []byte(text), 0o600), os.Rename(config+".new", config)); err != nil {
				t.Error(err)
			}
		}
		replace(texts[0])
		done, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 1; ; i++ {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
					replace(texts[i%2])
				}
			}
		}()
		for range 10 {
			f := facts.ParseFacts(runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock")), config)
			if want := settings[f.File.SHA256]; want == "" || f.File.SettingsSHA256+strings.Join(f.File.Binds["web"], " ") != want {
				t.Errorf("the facts are of neither file, or of both: %+v", f.File)
			}
		}
		close(done)
		<-ended
	})
}

// HAProxy's master re-executes itself when it reloads, and has no arguments for a moment.
func TestAProcessThatReExecutesItselfIsSeen(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := openFolder(t)
		config := filepath.Join(folder, "haproxy.cfg")
		startHAProxyThat(t, fmt.Sprintf(`exec "%s/haproxy" "$0" "$@"`, folder), folder, os.Getuid(), "haproxy", "-W", "-f", config)
		for range 10 {
			output := runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock"))
			if f := facts.ParseFacts(output, config); !f.IsRunning() || !f.Leader().MasterWorker() {
				t.Fatalf("HAProxy is not seen: %s", output)
			}
		}
	})
}

// A busy host has many previous workers, and any account can start many processes of that name.
func TestManyProcessesDoNotKeepAHostFromBeingObserved(t *testing.T) {
	t.Parallel()
	folder := openFolder(t)
	config := filepath.Join(folder, "haproxy.cfg")
	const forks = "exec 9<&0; i=0; while [ $i -lt %d ]; do (read line <&9) & i=$((i+1)); done; read line"
	startHAProxyThat(t, fmt.Sprintf(forks, 25), folder, os.Getuid(), "haproxy", "-W", "-f", config)
	if os.Getuid() == 0 {
		startHAProxyThat(t, fmt.Sprintf(forks, 150), openFolder(t), 65534, "haproxy", "-W", "-f", config)
	}
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		seen := func() int {
			output := runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock"))
			return strings.Count(string(output), " "+filepath.Join(folder, "haproxy")+"\n")
		}
		// The program itself, what it has forked, and the line about who may change it.
		if !waiting.Until(waiting.Long, func() bool { return seen() == 27 }) {
			t.Errorf("%d lines name the program", seen())
		}
	})
}

// Whoever starts a process chooses its name and arguments.
func TestNoProcessCanSayThatItIsAnother(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := openFolder(t)
		config := filepath.Join(folder, "haproxy.cfg")
		const evil = "/tmp/evil"
		fake := fmt.Sprintf("process 4242 0 0 000001ffffffffff 0 %s\t-W\t-f\t%s\t", evil, config)
		hostile := []string{
			`\n` + fake, "\n" + fake, `\c`, "\r" + fake, "\\0012", "$(touch " + folder + "/ran)", "`touch " + folder + "/ran`", "*", "\xff\x1b[2J",
		}
		for _, arg := range hostile {
			startHAProxy(t, openFolder(t), os.Getuid(), "haproxy "+arg, arg)
		}
		cmd := shell.Command(scripts.CommandLine(false))
		cmd.Env = append(cmd.Env, "SSH_CONNECTION=192.0.2.9 1 192.0.2.1 22")

		f := facts.ParseFacts(runScript(t, cmd, newCall(t, "observe", config, "/run/x/admin.sock")), config)

		if f.IsRunning() || f.Program() == evil {
			t.Errorf("ours = %+v, and %s would run", f.Own, f.Program())
		}
		if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil {
			t.Error("a part of an argument was run")
		}
	})
}

func TestAnotherAccountsProcessIsPassedOver(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "starting a process of another account")
	const nobody = 65534
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder := openFolder(t)
		config := filepath.Join(openFolder(t), "haproxy.cfg")
		startHAProxy(t, folder, nobody, "haproxy", "-W", "-f", config)

		output := runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock"))

		if bytes.Contains(output, []byte(filepath.Join(folder, "haproxy"))) {
			t.Errorf("the script reports it: %s", output)
		}
	})
}

// The host has only the processes of the test, and no haproxy in the PATH.
func TestPreflightReportsAHAProxyThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	programs.NeedRoot(t, "starting a process of another account and one in a container")
	const notInstalled = "HAProxy is not installed on the host"
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			// start starts a process; $dash is a shell to copy under any name, and $wait makes it wait.
			start string
			says  []string
			not   string
		}{
			"nothing":              {":", []string{notInstalled}, "runs"},
			"of another name":      {`cp $dash $dir/hapee-lb; $dir/hapee-lb $wait -W -f /etc/hapee/lb.cfg &`, []string{"runs on the host as DIR/hapee-lb (pid ", "ln -s DIR/hapee-lb /usr/local/sbin/haproxy", "-f DIR/haproxy.cfg"}, notInstalled},
			"of another version":   {`cp $dash $dir/haproxy-2.8; $dir/haproxy-2.8 $wait -Ws -f /x.cfg &`, []string{"runs on the host as DIR/haproxy-2.8 (pid "}, notInstalled},
			"in another folder":    {`cp $dash $dir/haproxy; $dir/haproxy $wait -W -f /x.cfg &`, []string{"runs on the host as DIR/haproxy (pid ", "with /x.cfg", "ln -s DIR/haproxy "}, notInstalled},
			"in a container":       {`cp $dash $dir/haproxy; unshare --pid --fork --kill-child $dir/haproxy $wait -W -f /x.cfg &`, []string{"in a container", "install the distribution's package", "stop the container"}, "ln -s"},
			"a container's own":    {`cp $dash $dir/haproxy; unshare --pid --fork --kill-child setpriv --reuid 99 --clear-groups $dir/haproxy $wait -W -f /x.cfg &`, []string{"in a container"}, "ln -s"},
			"another account's":    {`cp $dash $dir/haproxy-x; setpriv --reuid 65534 --clear-groups $dir/haproxy-x $wait -f /x.cfg &`, []string{notInstalled}, "haproxy-x"},
			"not safe to run":      {`cp $dash $dir/haproxy-x; chmod 777 $dir/haproxy-x; $dir/haproxy-x $wait -f /x.cfg &`, []string{"not safe to run", "install the distribution's package"}, "ln -s"},
			"a program of another": {`exec 3<>$dir/fifo; bash -c 'printf hapee-lb >/proc/$$/comm; read line <&3' bash -f /x.cfg & until grep -q hapee /proc/$!/comm; do :; done; dash=; wait=bash`, []string{"by another name", "install the distribution's package"}, "ln -s"},
			"a hostile name":       {`cp $dash "$dir/haproxy $(printf '\nbinary ')x"; "$dir/haproxy $(printf '\nbinary ')x" $wait -f /x.cfg &`, []string{"cannot be seen", "install the distribution's package"}, "binary"},
			"a metrics exporter":   {`cp $dash $dir/haproxy_exporter; $dir/haproxy_exporter $wait --haproxy.scrape-uri &`, []string{notInstalled}, "runs"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				folder := openFolder(t)
				config := filepath.Join(folder, "haproxy.cfg")
				output := runScript(t, onBareHost(t, shell, folder, test.start), newCall(t, "observe", config, "/run/x/admin.sock"))

				got := facts.ParseFacts(output, config).Preflight(false)

				text := strings.ReplaceAll(got, folder, "DIR")
				for _, part := range test.says {
					if !strings.Contains(text, part) {
						t.Errorf("%q does not say %q; the script: %s", text, part, output)
					}
				}
				if strings.Contains(text, test.not) {
					t.Errorf("%q says %q", text, test.not)
				}
			})
		}
	})
}

// onBareHost runs a script where only the processes of start exist, and no haproxy is in the PATH.
func onBareHost(t *testing.T, shell shells.Shell, folder, start string) *exec.Cmd {
	t.Helper()
	dash, err := exec.LookPath("dash")
	if err != nil {
		t.Fatal(err)
	}
	wait := filepath.Join(folder, "wait.sh")
	if err := os.WriteFile(wait, []byte("read line <"+folder+"/fifo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Nothing else opens the fifo: its reader waits until its init ends with the script.
	setup := "mount -t proc proc /proc; for p in /usr/sbin/haproxy /usr/local/sbin/haproxy; do [ ! -e $p ] || mount --bind /dev/null $p; done; " +
		"dir=" + folder + " dash=" + dash + " wait=" + wait + "\n" + start +
		// A process has its name once it has executed its program.
		`
while [ -n "$!" ] && ! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\000' '\n' | grep -qx "$wait"; do :; done; `
	host := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/dash", "-c", setup+strings.Join(quotedArgs(shell.Command(scripts.CommandLine(false))), " "))
	host.Env = append(os.Environ(), "HOST_PATH="+shell.Path)
	return host
}

// quotedArgs returns a command quoted for a shell, with the PATH of its host.
func quotedArgs(cmd *exec.Cmd) []string {
	arguments := []string{"exec", "env", "-i", `PATH="$HOST_PATH"`}
	for _, arg := range cmd.Args {
		arguments = append(arguments, "'"+strings.ReplaceAll(arg, "'", `'\''`)+"'")
	}
	return arguments
}

func TestAFolderThatOthersMayChangeIsExposed(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		for name, test := range map[string]struct {
			mode os.FileMode
			want string
		}{
			"the account's":                 {0o755, ""},
			"everybody's":                   {0o777, "every account may change"},
			"everybody's with a sticky bit": {0o777 | os.ModeSticky, "every account may change"},
		} {
			folder := openFolder(t)
			if err := os.Chmod(folder, test.mode); err != nil {
				t.Fatal(err)
			}
			config := filepath.Join(folder, "haproxy.cfg")
			f := facts.ParseFacts(runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock")), config)
			got := f.Exposed(folder)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || strings.Contains(f.Preflight(true), "not safe") != (test.want != "") {
				t.Errorf("%s: got %q and %q, want %q", name, got, f.Preflight(true), test.want)
			}
		}
	})
}

// A folder may be another account's through a link in its path.
func TestALinkIsFollowedBeforeItIsJudged(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		folder, elsewhere := openFolder(t), openFolder(t)
		if err := os.Chmod(elsewhere, 0o777); err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(folder, "haproxy.cfg")
		if err := os.Symlink(filepath.Join(elsewhere, "haproxy.cfg"), config); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, "haproxy.cfg"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		f := facts.ParseFacts(runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "observe", config, "/run/x/admin.sock")), config)
		if got := f.Preflight(true); !strings.Contains(got, elsewhere) || !strings.Contains(got, "not safe") {
			t.Errorf("got %q", got)
		}
	})
}

// inNetwork runs a command line in a network namespace of its own, after the commands of setup.
func inNetwork(t *testing.T, shell shells.Shell, setup, commandLine string) *exec.Cmd {
	t.Helper()
	cmd := shell.Command(setup + "; " + commandLine)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// The kernel returns a number of /proc/sys to the first read only, and dash reads byte by byte.
func TestTheScriptReadsTheKernelsNumbersAsTheyAre(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		const setup = "printf 1 >/proc/sys/net/ipv4/ip_nonlocal_bind; printf 1 >/proc/sys/net/ipv6/ip_nonlocal_bind; printf 90 >/proc/sys/net/ipv4/ip_unprivileged_port_start"
		for _, test := range []struct {
			setup string
			bind  string
			want  string
		}{
			{setup, "ipv4@203.0.113.9:8443", ""},
			{setup, "ipv6@[2001:db8::9]:8443", ""},
			{":", "ipv4@203.0.113.9:8443", "the host has no address 203.0.113.9"},
			{":", "ipv6@[2001:db8::9]:8443", "the host has no address 2001:db8::9"},
		} {
			bind, err := haproxy.ParseBind(test.bind)
			if err != nil {
				t.Fatal(err)
			}
			config := haproxy.Config{Frontends: []haproxy.Frontend{{Name: "web", Binds: []haproxy.Bind{bind}}}}
			call := newCall(t, "sockets", facts.PortList(config.Frontends))

			sockets := facts.ParseSockets(runScript(t, inNetwork(t, shell, test.setup, scripts.CommandLine(false)), call))

			var got string
			for _, failure := range (facts.Facts{}).BindFailures(sockets, config) {
				got += failure.Why
			}
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("%s after %q: got %q, want %q", test.bind, test.setup, got, test.want)
			}
		}
	})
}

// The kernel's own links identify listeners. A file may have any name, and a process any.
func TestNobodyCanPassASocketOffAsAnothers(t *testing.T) {
	t.Parallel()
	shells.Each(t, func(t *testing.T, shell shells.Shell) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		port := uint16(listener.Addr().(*net.TCPAddr).Port)
		folder := openFolder(t)
		const own = 4242
		inode := socketInode(t, listener.(*net.TCPListener))
		for _, name := range []string{
			"x\n/proc/" + strconv.Itoa(own) + "/fd:\nlrwx------ 1 0 0 64 Jan  1 00:00 5 -> socket:[" + inode + "]",
			"x -> socket:[" + inode + "]", "socket:[" + inode + "]",
		} {
			path := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
		}
		config := haproxy.Config{Frontends: []haproxy.Frontend{{Name: "web", Binds: []haproxy.Bind{{Addr: listener.Addr().(*net.TCPAddr).AddrPort().Addr(), Port: port}}}}}

		output := runScript(t, shell.Command(scripts.CommandLine(false)), newCall(t, "sockets", facts.PortList(config.Frontends)))

		if strings.Contains(string(output), "owner "+inode+" "+strconv.Itoa(own)+" ") {
			t.Errorf("the socket passes for the other process's: %s", output)
		}
		if !strings.Contains(string(output), "owner "+inode+" "+strconv.Itoa(os.Getpid())+" ") {
			t.Errorf("the owner is not named: %s", output)
		}
	})
}

func socketInode(t *testing.T, listener *net.TCPListener) string {
	t.Helper()
	raw, err := listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var link string
	if err := raw.Control(func(fd uintptr) { link, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
}
