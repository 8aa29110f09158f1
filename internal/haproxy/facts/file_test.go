package facts

import (
	"reflect"
	"strings"
	"testing"
)

// managedHeader is the header of a file of edgelb's.
const managedHeader = "header # Managed by edgelb. Do not edit: what is changed by hand is overwritten.\nheader # owner: c/ns\n" +
	"header # structure: -\nheader # whole: -\n"

// Whether a file is edgelb's, somebody's or as the package left it decides whether it may be replaced.
func TestWhatAHostSaysOfItsFileDecidesWhoseItIs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		output                    string
		exists, managed, pristine bool
		owner                     string
	}{
		"no file":                        {"", false, false, false, ""},
		"somebody's":                     {"exists yes\nheader # my own file\n", true, false, false, ""},
		"somebody's without a comment":   {"exists yes\n", true, false, false, ""},
		"the package's":                  {"exists yes\npristine yes\n", true, false, true, ""},
		"edgelb's":                       {"exists yes\n" + managedHeader, true, true, false, "c/ns"},
		"a copy further down":            {"exists yes\nheader # my own file\n" + managedHeader, true, false, false, ""},
		"edgelb's, with more behind":     {"exists yes\n" + managedHeader + "header # a remark\n", true, true, false, "c/ns"},
		"edgelb's, with its lines' ends": {strings.ReplaceAll("exists yes\n"+managedHeader, "\n", "\r\n"), true, true, false, "c/ns"},
		"a line that only looks like it": {"exists yes\nheaders # Managed by edgelb.\n", true, false, false, ""},
		"an outline that looks like it":  {"exists yes\nline # Managed by edgelb.\n", true, false, false, ""},
		"a folder that was not listed":   {"config /etc/haproxy/haproxy.cfg\nuid 0\n", false, false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := ParseFacts([]byte(test.output), configFile).File
			if file.Exists != test.exists || file.Managed != test.managed || file.Pristine != test.pristine || file.Header.Owner != test.owner {
				t.Errorf("got %+v", file)
			}
		})
	}
}

// The binds of the running file tell its own sockets from those of others whose processes the account does not see.
func TestTheBindsOfAFileBelongToTheFrontendAboveThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		output string
		want   map[string][]string
	}{
		"none":                         {"", nil},
		"one":                          {"line frontend web\nline bind ipv4@:80\n", map[string][]string{"web": {"ipv4@:80"}}},
		"in their order":               {"line frontend web\nline bind ipv6@:80\nline bind ipv4@:80\n", map[string][]string{"web": {"ipv6@:80", "ipv4@:80"}}},
		"a frontend without any":       {"line frontend empty\nline frontend web\nline bind :80\n", map[string][]string{"web": {":80"}}},
		"a frontend that comes twice":  {"line frontend web\nline bind :80\nline frontend x\nline bind :81\nline frontend web\nline bind :82\n", map[string][]string{"web": {":80", ":82"}, "x": {":81"}}},
		"a bind before any frontend":   {"line bind :80\nline frontend web\n", map[string][]string{"": {":80"}}},
		"other facts between them":     {"line frontend web\nuid 0\nline bind :80\n", map[string][]string{"web": {":80"}}},
		"with the end of a line":       {"line frontend web\r\nline bind :80\r\n", map[string][]string{"web": {":80"}}},
		"a bind of several addresses":  {"line frontend web\nline bind :80,:81\n", map[string][]string{"web": {":80,:81"}}},
		"a frontend without any name":  {"line frontend\nline bind :80\n", map[string][]string{"": {":80"}}},
		"a name that is a bind":        {"line frontend bind\nline bind :80\n", map[string][]string{"bind": {":80"}}},
		"binds of a file that is gone": {"line frontend web\n", nil},
	} {
		if got := ParseFacts([]byte(test.output), configFile).File.Binds; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestMapFilesAreFoundByTheStructureOfTheirConfiguration(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte("config /srv/lb/haproxy.cfg\nnames 0a1b 0123456789abcdef\nnames 2c3d fedcba9876543210\nnames 4e5f\n"), configFile)
	for structure, want := range map[string]string{
		"0123456789abcdef" + strings.Repeat("0", 48): "0a1b", "fedcba9876543210" + strings.Repeat("f", 48): "2c3d", strings.Repeat("0", 64): "",
	} {
		path := f.NamesPath(structure)
		if got := f.File.NamesSHA256[path]; got != want || !strings.HasPrefix(path, "/srv/lb/haproxy.cfg.edgelb-names-") {
			t.Errorf("%s: the map file %s has the hash %q, want %q", structure, path, got, want)
		}
	}
}

// A number that is none is not another one: it is unknown, and unknown limits and accounts forbid nothing and allow nothing.
func TestNumbersThatAreNoneAreUnknown(t *testing.T) {
	t.Parallel()
	f := ParseFacts([]byte("uid root\nhaproxyuid\noutsideuid x\nmostdescriptors 1e6\ngroups 27 x 1000 -\n"), configFile)
	if f.uid != 0 || f.haproxyUID != 0 || f.outsideUID != 0 || f.mostDescriptors != 0 || !reflect.DeepEqual(f.groups, []int{27, 1000}) {
		t.Errorf("got %+v", f)
	}
}
