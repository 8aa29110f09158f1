package facts

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// guarded returns guard lines for what leads to the path: root's, except the entries that are given as "PATH MODE:UID:GID".
func guarded(path string, except ...string) string {
	output := rootOnly(path)
	for _, text := range except {
		name, entry, _ := strings.Cut(text, " ")
		output = strings.Replace(output, "guard drwxr-xr-x:0:0 "+name+"\n", "guard "+entry+" "+name+"\n", 1)
	}
	return output
}

const (
	asRoot    = "uid 0\ngroups 0\n"
	asAccount = "uid 1000\ngroups 1000 27\n"
)

// Whoever may change a folder or a program on the way would make edgelb write or run what he wants, as root.
func TestExposedNamesWhoElseMayChangeAPath(t *testing.T) {
	t.Parallel()
	const program = "/opt/lb/haproxy"
	for name, test := range map[string]struct {
		account, entry string
		want           string // empty when nobody else may
	}{
		"all is root's":                               {asRoot, "/opt/lb/haproxy -rwxr-xr-x:0:0", ""},
		"all is root's, for an account":               {asAccount, "/opt/lb/haproxy -rwxr-xr-x:0:0", ""},
		"the account's own program":                   {asAccount, "/opt/lb/haproxy -rwxr-xr-x:1000:1000", ""},
		"the account's own folder":                    {asAccount, "/opt/lb drwx------:1000:1000", ""},
		"another account's program":                   {asAccount, "/opt/lb/haproxy -rwxr-xr-x:1001:0", "its owner, the account with the uid 1001, may change /opt/lb/haproxy"},
		"an account's program, for root":              {asRoot, "/opt/lb/haproxy -rwxr-xr-x:1000:0", "the uid 1000, may change /opt/lb/haproxy"},
		"another account's folder":                    {asRoot, "/opt/lb drwxr-xr-x:1000:0", "the uid 1000, may change /opt/lb"},
		"another account's folder further up":         {asRoot, "/opt drwxr-xr-x:1000:0", "the uid 1000, may change /opt"},
		"another account's root folder":               {asRoot, "/ drwxr-xr-x:1000:0", "the uid 1000, may change /"},
		"an owner who has taken his own right":        {asRoot, "/opt/lb dr-xr-xr-x:1000:0", "the uid 1000, may change /opt/lb"},
		"everybody's program":                         {asRoot, "/opt/lb/haproxy -rwxr-xrwx:0:0", "every account may change /opt/lb/haproxy"},
		"everybody's folder":                          {asRoot, "/opt/lb drwxrwxrwx:0:0", "every account may change /opt/lb"},
		"everybody's folder, for an account":          {asAccount, "/opt drwxrwxrwx:0:0", "every account may change /opt"},
		"a program that the account's group may read": {asAccount, "/opt/lb/haproxy -rwxr-x---:0:1000", ""},
		"root's group":                                {asRoot, "/opt/lb drwxrwxr-x:0:0", ""},
		"root's group, for an account":                {asAccount, "/opt/lb drwxrwxr-x:0:0", ""},
		"a group that may write":                      {asRoot, "/opt/lb drwxrwxr-x:0:27", "the group with the gid 27 may change /opt/lb"},
		"a group that may not":                        {asRoot, "/opt/lb drwxr-xr-x:0:27", ""},
		"a group of the account's":                    {asAccount, "/opt/lb drwxrwxr-x:0:27", ""},
		"a group of others, for an account":           {asAccount, "/opt/lb drwxrwxr-x:0:28", "the group with the gid 28 may change /opt/lb"},
		"root may be in groups of others":             {"uid 0\ngroups 0 27\n", "/opt/lb drwxrwxr-x:0:27", "the group with the gid 27 may change /opt/lb"},
		"an access control list beside root's group":  {asRoot, "/opt/lb drwxrwxr-x+:0:0", "the group with the gid 0 may change /opt/lb"},
		"a list beside a group of the account's":      {asAccount, "/opt/lb drwxrwxr-x+:0:1000", "the group with the gid 1000 may change /opt/lb"},
		"a list that lets nobody write":               {asRoot, "/opt/lb drwxr-xr-x+:0:0", ""},
		"a label of SELinux":                          {asRoot, "/opt/lb drwxrwxr-x.:0:0", ""},
		"a folder like /tmp above":                    {asRoot, "/opt/lb drwxrwxrwt:0:0", ""},
		"a folder like /tmp that others may not list": {asRoot, "/opt/lb drwxrwx-wT:0:0", ""},
		"a folder like /tmp of a group":               {asRoot, "/opt/lb drwxrwx--T:0:27", ""},
		"a folder like /tmp of another account":       {asRoot, "/opt/lb drwxrwxrwt:1000:0", "the uid 1000, may change /opt/lb"},
		"a sticky program is everybody's":             {asRoot, "/opt/lb/haproxy -rwxrwxrwt:0:0", "every account may change /opt/lb/haproxy"},
		"a program that runs as another":              {asRoot, "/opt/lb/haproxy -rwsr-sr-x:0:0", ""},
		"rights that were not seen":                   {asRoot, "/opt/lb", "it could not be seen who may change /opt/lb/haproxy"},
		"an owner that is no number":                  {asRoot, "/opt/lb drwxr-xr-x:root:0", "it could not be seen"},
		"a group that is no number":                   {asRoot, "/opt/lb drwxr-xr-x:0:root", "it could not be seen"},
		"too short a mode":                            {asRoot, "/opt/lb drwxr-xr-:0:0", "it could not be seen"},
		"too few fields":                              {asRoot, "/opt/lb drwxr-xr-x:0", "it could not be seen"},
		"too many fields":                             {asRoot, "/opt/lb drwxr-xr-x:0:0:0", "it could not be seen"},
		"an account outside the container":            {asRoot + "outsideuid 65534\n", "/opt/lb drwxr-xr-x:65534:65534", ""},
		"its files that everybody may write":          {asRoot + "outsideuid 65534\n", "/opt/lb drwxr-xrwx:65534:65534", "every account may change /opt/lb"},
		"its files that a group may write":            {asRoot + "outsideuid 65534\n", "/opt/lb drwxrwxr-x:65534:65534", "the group with the gid 65534"},
		"an account that nobody is, on the host":      {asRoot, "/opt/lb drwxr-xr-x:65534:0", "the uid 65534, may change"},
		"an account beside the one outside":           {asRoot + "outsideuid 65534\n", "/opt/lb drwxr-xr-x:1:0", "the uid 1, may change"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ParseFacts([]byte(test.account+guarded(program, test.entry)), configFile).Exposed(program)
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAPathIsJudgedFromTheRootOnWithEachFolder(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                 "/ /",
		"/haproxy":          "/ /haproxy",
		"/usr/sbin/haproxy": "/ /usr /usr/sbin /usr/sbin/haproxy",
		"/a/bc/d":           "/ /a /a/bc /a/bc/d",
	} {
		if got := strings.Join(pathTo(path), " "); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// A folder whose rights were not seen may be anybody's, wherever it is on the way.
func TestAPathIsSafeOnlyIfEachFolderWasSeen(t *testing.T) {
	t.Parallel()
	all := strings.SplitAfter(strings.TrimSuffix(rootOnly(haproxyProgram), "\n"), "\n")
	if exposed := ParseFacts([]byte(strings.Join(all, "")), configFile).Exposed(haproxyProgram); exposed != "" {
		t.Errorf("with all of them: %s", exposed)
	}
	for i, line := range all {
		f := ParseFacts([]byte(strings.Join(slices.Delete(slices.Clone(all), i, i+1), "")), configFile)
		if got := f.Exposed(haproxyProgram); got != "it could not be seen who may change "+haproxyProgram {
			t.Errorf("without %q: got %q", line, got)
		}
	}
}

// A path of which two different things are said may be either: the safe one must not hide the other, whichever comes first.
func TestAPathWithTwoEntriesIsUnknownInAnyOrder(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(rootOnly("/opt/lb")+"guard drwxrwxrwx:0:0 /opt\n", "\n")
	for seed := range uint64(20) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		if got := ParseFacts([]byte(strings.Join(lines, "")), configFile).Exposed("/opt/lb"); got == "" {
			t.Errorf("of %q: it is safe", lines)
		}
	}
	if got := ParseFacts([]byte(rootOnly("/opt/lb")+rootOnly("/opt/lb")), configFile).Exposed("/opt/lb"); got != "" {
		t.Errorf("of the same entries twice: %s", got)
	}
}

func TestAPathInAGuardLineHasNoBlank(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte(rootOnly("/opt")+"guard drwxr-xr-x:0:0 /opt/a b\nguard\nguard drwxr-xr-x:0:0\n"), configFile)
	for _, path := range []string{"/opt/a", "/opt/a b", "/opt/b", "drwxr-xr-x:0:0"} {
		if got := f.Exposed(path); got == "" {
			t.Errorf("%q is safe", path)
		}
	}
}

// Of all modes and owners: nobody but root and the account may change what is found safe.
func TestNothingIsSafeThatOthersMayChange(t *testing.T) {
	t.Parallel()
	for account, text := range map[int]string{0: asRoot, 1000: asAccount} {
		f := ParseFacts([]byte(text+guarded("/opt/lb/haproxy")), configFile)
		for bits := range 0o2000 {
			for _, uid := range []int{0, 1000, 1001} {
				for _, gid := range []int{0, 27, 28} {
					text := fmt.Sprintf("d%s:%d:%d", modeOf(bits), uid, gid)
					f.guards["/opt/lb"] = parseEntry(text)
					isSticky, othersWrite, groupWrites := bits&0o1000 != 0, bits&0o002 != 0, bits&0o020 != 0
					isOwn := uid == 0 || uid == account
					isOwnGroup := gid == 0 || account != 0 && gid == 27
					want := isOwn && (isSticky || !othersWrite && (!groupWrites || isOwnGroup))
					if got := f.Exposed("/opt/lb/haproxy") == ""; got != want {
						t.Fatalf("for the uid %d, a folder %s is safe: %t, want %t", account, text, got, want)
					}
				}
			}
		}
	}
}

// modeOf writes the bits of a mode as ls does.
func modeOf(bits int) string {
	text := []byte("rwxrwxrwx")
	for i := range text {
		if bits&(0o400>>i) == 0 {
			text[i] = '-'
		}
	}
	if bits&0o1000 != 0 {
		text[8] = map[byte]byte{'x': 't', '-': 'T'}[text[8]]
	}
	return string(text)
}

func TestAnUnsafeProgramIsReportedWithWhatMakesItSo(t *testing.T) {
	t.Parallel()
	const running = "/opt/lb/haproxy"
	process := processLine("66 1 0 0 0", running, running, "-W", "-f", configFile)
	for name, test := range map[string]struct{ output, want string }{
		"the one that runs": {process + guarded(running, "/opt drwxrwxrwx:0:0"),
			"HAProxy's program /opt/lb/haproxy is not safe to run: every account may change /opt. Give it and its folders to root"},
		"the one that runs, before the one in the PATH": {process + guarded(running, "/opt drwxrwxrwx:0:0") + "binary " + haproxyProgram + "\n",
			"HAProxy's program /opt/lb/haproxy is not safe to run: every account may change /opt."},
		"the one in the PATH": {"binary " + haproxyProgram + "\n" + guarded(haproxyProgram, "/usr/sbin drwxrwxr-x:0:27"),
			"HAProxy's program /usr/sbin/haproxy is not safe to run: the group with the gid 27 may change /usr/sbin."},
		"none, since another one is safe": {process + guarded(running, "/opt drwxrwxrwx:0:0") + rootOnly(haproxyProgram) + "binary " + haproxyProgram + "\n", ""},
		"none":                            {process + rootOnly(running), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte("config "+configFile+"\n"+asRoot+rootOnly("/etc/haproxy")+test.output), configFile)
			got := f.Preflight(false)
			if (got == "") != (test.want == "") || !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if (f.Program() == "") != (test.want != "") {
				t.Errorf("%q is run", f.Program())
			}
			if idle := f.Preflight(true); idle != "" {
				t.Errorf("a host without listeners needs no program, and %s", idle)
			}
		})
	}
}

// The folder counts even when there is nothing to serve: the file is written in any case.
func TestAnUnsafeFolderIsReportedFirstAndAlsoWithoutListeners(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte("config /srv/lb/haproxy.cfg\n"+asRoot+guarded("/srv/lb", "/srv drwxr-xr-x:1000:0")), configFile)
	const want = "the folder /srv/lb of the configuration is not safe to write to: its owner, the account with the uid 1000, may change /srv. " +
		"Give it and the folders above it to root"
	for _, idle := range []bool{false, true} {
		if got := f.Preflight(idle); !strings.HasPrefix(got, want) {
			t.Errorf("idle %t: got %q, want %q", idle, got, want)
		}
	}
}
