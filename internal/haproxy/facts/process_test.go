package facts

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAProcessIsReadWithItsRights(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Process{
		"7 1 0 000001ffffffffff 524288 /usr/sbin/haproxy": {PID: 7, parent: 1, capabilities: 0x1ffffffffff, descriptors: 524288, program: "/usr/sbin/haproxy"},
		"8 7 106 0000000000000400 unlimited /x/haproxy":   {PID: 8, parent: 7, uid: 106, capabilities: 1 << capNetBindService, program: "/x/haproxy"},
		"9 1 1000 ffffffffffffffff - -":                   {PID: 9, parent: 1, uid: 1000, capabilities: 1<<64 - 1, program: "-"},
		"7 1":                                             {PID: 7, parent: 1},
		"":                                                {},
		"7 1 0 0 1024 ":                                   {PID: 7, parent: 1, descriptors: 1024},
		"7 1 0 1ffffffffffffffff 1024 /usr/sbin/haproxy":     {PID: 7, parent: 1, capabilities: 1<<64 - 1, descriptors: 1024, program: "/usr/sbin/haproxy"},
		"7 1 0 0 1024 /usr/sbin/haproxy and what comes next": {PID: 7, parent: 1, descriptors: 1024, program: "/usr/sbin/haproxy"},
	} {
		if got := parseProcess(line); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

// The kernel's cmdline ends each argument with a zero byte; od prints it in lines of 16 bytes.
func TestArgumentsAreReadAsTheProcessReportsThem(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"usual":           {"/usr/sbin/haproxy", "-Ws", "-f", configFile, "-p", "/run/haproxy.pid"},
		"an empty one":    {"haproxy", "", "-f", configFile},
		"with blanks":     {"haproxy", "-f", "/etc/a b.cfg", "process 1 1 0 0 0 /x"},
		"with line's end": {"haproxy", "-f", "/etc/a\nprocess 1 1 0 0 0 /x"},
		"of 16 bytes":     {"0123456789abcde", "0123456789abcde"},
		"long":            {"haproxy", "-f", "/" + strings.Repeat("x", 4000)},
		"of all bytes":    {"haproxy", "\x01\x7f\x80\xff\t\r"},
	} {
		f := ParseFacts([]byte(processLine("7 1 0 0 0", haproxyProgram, args...)), configFile)
		if len(f.processes) != 1 || !slices.Equal(f.processes[0].args, args) {
			t.Errorf("%s: got %+v, want %q", name, f.processes, args)
		}
	}
}

// The script does not print again what a process has from its parent.
func TestAForkedProcessHasTheArgumentsOfItsParent(t *testing.T) {
	t.Parallel()
	master := processLine("7 1 0 0 0", haproxyProgram, "haproxy", "-W", "-f", configFile)
	inherited := []string{"haproxy", "-W", "-f", configFile}
	for name, test := range map[string]struct {
		output string
		want   []string
	}{
		"a worker":                         {master + "process 8 7 106 0 0 " + haproxyProgram + "\n", inherited},
		"listed before its parent":         {"process 8 7 106 0 0 " + haproxyProgram + "\n" + master, inherited},
		"of a worker":                      {master + "process 9 7 106 0 0 " + haproxyProgram + "\nprocess 8 9 106 0 0 " + haproxyProgram + "\n", inherited},
		"with arguments of its own":        {master + processLine("8 7 106 0 0", haproxyProgram, "haproxy", "-v2"), []string{"haproxy", "-v2"}},
		"of another program":               {master + "process 8 7 106 0 0 /tmp/evil\n", []string{""}},
		"of a process that is not there":   {master + "process 8 6 106 0 0 " + haproxyProgram + "\n", []string{""}},
		"of itself, which cannot be":       {master + "process 8 8 106 0 0 " + haproxyProgram + "\n", []string{""}},
		"of one that has it as its parent": {"process 8 9 0 0 0 " + haproxyProgram + "\nprocess 9 8 0 0 0 " + haproxyProgram + "\n", []string{""}},
	} {
		f := ParseFacts([]byte(test.output), configFile)
		i := slices.IndexFunc(f.processes, func(p Process) bool { return p.PID == 8 })
		if i < 0 || !slices.Equal(f.processes[i].args, test.want) {
			t.Errorf("%s: got %+v, want %q", name, f.processes, test.want)
		}
	}
}

// The work for a process must not grow with their number: a host may name tens of thousands, each the parent of the next.
func TestParentsWithoutAnEndAreNotFollowed(t *testing.T) {
	t.Parallel()
	const most = 50000
	var output strings.Builder
	output.WriteString(processLine("1 0 0 0 0", haproxyProgram, "haproxy", "-W", "-f", configFile))
	for pid := 2; pid <= most; pid++ {
		fmt.Fprintf(&output, "process %d %d 0 0 0 %s\n", pid, pid-1, haproxyProgram)
	}
	processes := ParseFacts([]byte(output.String()), configFile).processes
	if len(processes) != most || len(processes[mostForks].args) != 4 || len(processes[mostForks+1].args) != 1 {
		t.Errorf("of %d processes, the arguments are %q and %q", len(processes), processes[mostForks].args, processes[mostForks+1].args)
	}
}

func TestOnlyAHAProxyThatServesCounts(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{
		"-W -f " + configFile: 1, "-f " + configFile: 1, "-D -f " + configFile: 1,
		"-c -f " + configFile: 0, "-f " + configFile + " -c": 0, "-v": 0, "-vv": 0, "-W -f " + configFile + " -vv": 0,
	} {
		line := processLine("66 1 0 0 0", haproxyProgram, append([]string{haproxyProgram}, strings.Fields(args)...)...)
		if got := len(ParseFacts([]byte(line), configFile).processes); got != want {
			t.Errorf("haproxy %s: %d processes, want %d", args, got, want)
		}
	}
}

// Who may have started HAProxy: root, the account, or HAProxy's own account, if the host has it.
func TestAProcessCountsByTheAccountThatStartedIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		account string
		uid     int
		want    bool
	}{
		"root's, for root":                       {asRoot, 0, true},
		"root's, for an account":                 {asAccount, 0, true},
		"the account's":                          {asAccount, 1000, true},
		"HAProxy's":                              {asAccount + "haproxyuid 106\n", 106, true},
		"HAProxy's, which the host has not":      {asAccount, 106, false},
		"another account's":                      {asAccount + "haproxyuid 106\n", 1001, false},
		"another account's, for root":            {asRoot + "haproxyuid 106\n", 1000, false},
		"that of daemon, of a host without ours": {asAccount, 1, false},
	} {
		line := processLine(fmt.Sprintf("66 1 %d 0 0", test.uid), haproxyProgram, haproxyProgram, "-W", "-f", configFile)
		if got := ParseFacts([]byte(test.account+line), configFile).IsRunning(); got != test.want {
			t.Errorf("%s: it runs: %t", name, got)
		}
	}
}

func TestOursAreThoseThatWereStartedWithTheFileAndTheirChildren(t *testing.T) {
	t.Parallel()
	const link = "/etc/edge.cfg" // leads to the file
	process := func(pid, parent, uid int, file string) string {
		return processLine(fmt.Sprintf("%d %d %d 0 0", pid, parent, uid), haproxyProgram, haproxyProgram, "-W", "-f", file)
	}
	for name, test := range map[string]struct {
		output string
		want   []int
	}{
		"a master and its workers":               {process(7, 1, 0, configFile) + process(8, 7, 106, configFile) + process(9, 7, 106, configFile), []int{7, 8, 9}},
		"the workers are listed first":           {process(5, 70, 106, configFile) + process(6, 70, 106, configFile) + process(70, 1, 0, configFile), []int{70, 5, 6}},
		"through a link":                         {process(7, 1, 0, link), []int{7}},
		"where the link leads to":                {process(7, 1, 0, configFile), []int{7}},
		"with another file":                      {process(7, 1, 0, "/srv/other.cfg") + process(8, 7, 106, "/srv/other.cfg"), nil},
		"beside one with another file":           {process(3, 1, 0, "/srv/other.cfg") + process(4, 3, 106, "/srv/other.cfg") + process(7, 1, 0, configFile), []int{7}},
		"a worker of an account that is unknown": {process(7, 1, 0, configFile) + process(8, 7, 4242, configFile), []int{7, 8}},
		"a worker that has no arguments yet":     {process(7, 1, 0, configFile) + "process 8 7 106 0 0 " + haproxyProgram + "\n", []int{7, 8}},
		"a stranger's":                           {process(7, 1, 4242, configFile) + process(8, 7, 4242, configFile), nil},
		"two masters":                            {process(7, 1, 0, configFile) + process(9, 1, 0, configFile) + process(10, 9, 106, configFile), []int{7, 9, 10}},
		"started by another HAProxy":             {process(3, 1, 0, "/srv/other.cfg") + process(7, 3, 0, configFile), []int{7}},
		"a name that begins like the file's":     {process(7, 1, 0, configFile+".bak"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte("config "+configFile+"\nuid 0\nhaproxyuid 106\n"+test.output), link)
			var got []int
			for _, p := range f.Own {
				got = append(got, p.PID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTheMastersSocketIsTheFirstThatHasAPath(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-S /run/m.sock,level,admin":                "/run/m.sock",
		"-S unix@/run/m.sock,mode,660":              "/run/m.sock",
		"-S ipv4@127.0.0.1:9 -S /run/m.sock":        "/run/m.sock",
		"-S /run/first.sock -S /run/second.sock":    "/run/first.sock",
		"-S abns@haproxy -S sockpair@4":             "",
		"-S m.sock":                                 "",
		"-f -S /run/m.sock":                         "/run/m.sock", // a file named -S: HAProxy would not start
		"-x /run/other.sock -S /run/m.sock -sf 702": "/run/m.sock",
	} {
		p := Process{args: append([]string{"haproxy", "-W"}, strings.Fields(args)...)}
		if got := p.MasterSocket(); got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}

// The script lists facts as the host's shell and kernel have them. Only the path of the file comes first, and arguments follow their
// process.
func TestTheOrderOfFactsDoesNotMatter(t *testing.T) {
	t.Parallel()
	want := ParseFacts([]byte(debianHost), configFile)
	var blocks []string
	for line := range strings.Lines(debianHost) {
		isContinued := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "line ") || strings.HasPrefix(line, "header ")
		if len(blocks) > 0 && isContinued {
			blocks[len(blocks)-1] += line
		} else {
			blocks = append(blocks, line)
		}
	}
	for seed := range uint64(50) {
		rest := blocks[1:]
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		got := ParseFacts([]byte(strings.Join(blocks, "")), configFile)
		slices.SortFunc(got.processes, func(a, b Process) int { return a.PID - b.PID })
		if !reflect.DeepEqual(got.Own, want.Own) || !reflect.DeepEqual(got.guards, want.guards) || !reflect.DeepEqual(got.File, want.File) ||
			!reflect.DeepEqual(got.processes, want.processes) || got.platform != want.platform {
			t.Errorf("seed %d: got %+v, want %+v", seed, got, want)
		}
	}
}

// A host whose terminal turns line ends into two bytes, or that says more than this edgelb knows, is read nevertheless.
func TestUnknownLinesAndLineEndsAreIgnored(t *testing.T) {
	t.Parallel()
	want := ParseFacts([]byte(debianHost), configFile)
	for name, output := range map[string]string{
		"two bytes at each line's end": strings.ReplaceAll(debianHost, "\n", "\r\n"),
		"unknown lines":                "weather fine\n 2f 62\n" + debianHost + "guards x y\nprocesses 7\nUID 7\n",
		"no line's end at the end":     strings.TrimSuffix(debianHost, "\n"),
	} {
		if got := ParseFacts([]byte(output), configFile); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}
