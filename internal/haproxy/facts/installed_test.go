package facts

import (
	"slices"
	"strings"
	"testing"
)

func TestTheHostLacksAPackageIfThatIsAllThatItLacks(t *testing.T) {
	t.Parallel()
	const config = "config " + configFile + "\n"
	for name, test := range map[string]struct {
		output string
		idle   bool
		want   bool
		says   string
	}{
		"nothing is there":           {config + asRoot + rootOnly("/etc/haproxy"), false, true, "HAProxy is not installed on the host: "},
		"not even its folder":        {config + asRoot + rootOnly("/etc"), false, true, "or set spec.haproxy.install: IfMissing"},
		"a folder that is not safe":  {config + asRoot + guarded("/etc/haproxy", "/etc/haproxy drwxrwxrwx:0:0"), false, false, "the folder /etc/haproxy"},
		"a folder above it, neither": {config + asRoot + guarded("/etc", "/etc drwxrwxrwx:0:0"), false, false, "the folder /etc of"},
		"it is needed by nobody":     {config + asRoot + rootOnly("/etc/haproxy"), true, false, ""},
		"it is in a container":       {config + rootOnly("/etc/haproxy") + "other 44 0 container " + haproxyProgram + "\n", false, false, "in a container"},
		"it is there":                {config + rootOnly("/etc/haproxy") + "binary " + haproxyProgram + "\n" + rootOnly(haproxyProgram), false, false, ""},
		"it is there, half":          {config + rootOnly("/etc/haproxy") + "installing yes\nbinary " + haproxyProgram + "\n" + rootOnly(haproxyProgram), false, true, "packages are being installed on the host"},
		"it is not known":            {"", false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ParseFacts([]byte(test.output), configFile)
			if got := f.LacksPackage(test.idle); got != test.want {
				t.Errorf("it lacks a package: %t", got)
			}
			if got := f.Preflight(test.idle); !strings.Contains(got, test.says) {
				t.Errorf("it says %q, want %q", got, test.says)
			}
		})
	}
}

func TestInstalledPackagesAreThoseWithAVersion(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte("installed haproxy 2.6.12-1+deb12u2\ninstalled\ninstalled a b c\ninstalled keepalived 1:2.2.7-1\n"+strings.Repeat("installed x 1\n", 99)), configFile)
	if got := f.Installed; len(got) != maxInstalled || !slices.Equal(got[:2], []string{"haproxy 2.6.12-1+deb12u2", "keepalived 1:2.2.7-1"}) {
		t.Errorf("got %q", got)
	}
	if got := ParseFacts(nil, configFile).Installed; got == nil || len(got) != 0 {
		t.Errorf("without any: %#v", got)
	}
}
