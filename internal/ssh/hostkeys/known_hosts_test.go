package hostkeys

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Two keys that no host has.
const (
	keyA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	keyB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
)

func TestKnownHostsVouchForTheHostsTheyName(t *testing.T) {
	t.Parallel()
	hashed := knownhosts.HashHostname("gw1.example.net")
	hashedPort := knownhosts.HashHostname("[gw1.example.net]:2222")
	tests := []struct {
		name, hosts, address string
		port                 int
		want                 bool
	}{
		{"a plain name", "gw1.example.net", "gw1.example.net", 22, true},
		{"another name", "gw1.example.net", "gw2.example.net", 22, false},
		{"case does not matter in the file", "GW1.example.net", "gw1.example.net", 22, true},
		{"nor in the address", "gw1.example.net", "GW1.example.net", 22, true},
		{"one of a list", "gw1,gw2,192.0.2.1", "gw2", 22, true},
		{"an address of a list", "gw1,192.0.2.1", "192.0.2.1", 22, true},
		{"an IPv6 address", "2001:db8::1", "2001:db8::1", 22, true},
		{"an IPv6 address with a port", "[2001:db8::1]:2222", "2001:db8::1", 2222, true},
		{"a bracketed name with its port", "[gw1]:2222", "gw1", 2222, true},
		{"a bracketed name with another port", "[gw1]:2222", "gw1", 2223, false},
		{"a bracketed name and port 22", "[gw1]:2222", "gw1", 22, false},
		{"a name without a port and port 2222", "gw1", "gw1", 2222, false},
		{"brackets with port 22", "[gw1]:22", "gw1", 22, true},
		{"a star", "*.example.net", "gw1.example.net", 22, true},
		{"a star crosses dots", "*.net", "gw1.example.net", 22, true},
		{"a star for nothing", "gw1*", "gw1", 22, true},
		{"a star elsewhere", "*.example.net", "gw1.example.com", 22, false},
		{"a star in brackets", "[*.example.net]:2222", "gw1.example.net", 2222, true},
		{"a question mark", "gw?", "gw1", 22, true},
		{"a question mark needs a byte", "gw?", "gw", 22, false},
		{"negation wins", "*.example.net,!gw1.example.net", "gw1.example.net", 22, false},
		{"negation wins in any order", "!gw1.example.net,*.example.net", "gw1.example.net", 22, false},
		{"negation of another", "*.example.net,!gw1.example.net", "gw2.example.net", 22, true},
		{"negation alone", "!gw1", "gw2", 22, false},
		{"a hashed name", hashed, "gw1.example.net", 22, true},
		{"a hashed name of another", hashed, "gw2.example.net", 22, false},
		{"a hashed name and a port", hashedPort, "gw1.example.net", 2222, true},
		{"a hashed name without the port", hashedPort, "gw1.example.net", 22, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keys, _ := parseKnown(t, test.hosts+" "+keyA+" a comment\n").Lookup(test.address, test.port)
			if got := len(keys) == 1; got != test.want {
				t.Errorf("%q vouches for %s port %d: %v, want %v", test.hosts, test.address, test.port, got, test.want)
			}
		})
	}
}

func TestKnownHostsKeepEveryKeyOfAHost(t *testing.T) {
	t.Parallel()
	known := parseKnown(t, "gw1 "+keyA+"\r\n# a comment\r\n\r\ngw* "+keyB+"\r\n")
	keys, authorities := known.Lookup("gw1", 22)
	if got := texts(keys); !slices.Equal(got, []string{keyA, keyB}) || len(authorities) > 0 {
		t.Errorf("keys %q, authorities %v, want both keys and none", got, authorities)
	}
}

func TestAnUnusableLineOfKnownHostsIsReportedAndAffectsNoOtherLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line, want string
		// others says that the line may be meant for any host.
		others bool
	}{
		"a type that is not supported":       {"gw1 ssh-dss AAAAB3NzaC1kc3MAAACBAA==", "ssh-dss are not supported", false},
		"a security key":                     {"gw1 sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAA", "are not supported", false},
		"an unknown type":                    {"gw1 ssh-mldsa65 AAAAD3NzaC1tbGRzYTY1AAAA", "", false},
		"too few fields":                     {"gw1 ssh-ed25519", "name key-type key", false},
		"one word":                           {"gw1", "name key-type key", true},
		"a key that is none":                 {"gw1 ssh-ed25519 AAAA", "", false},
		"not base64":                         {"gw1 ssh-ed25519 !!!!", "", false},
		"another type":                       {"gw1 ssh-rsa " + strings.Fields(keyA)[1], "", false},
		"a hash in a list":                   {knownhosts.HashHostname("gw1") + ",gw1 " + keyA, "stand alone", true},
		"an unknown hash":                    {"|2|c2FsdA==|aGFzaA== " + keyA, "|1|salt|hash", true},
		"a hash cut off":                     {"|1|c2FsdA== " + keyA, "|1|salt|hash", true},
		"a salt that is none":                {"|1|!!|" + strings.Repeat("A", 28) + " " + keyA, "salt", true},
		"a hash that is none":                {"|1|c2FsdA==|!! " + keyA, "hash", true},
		"a hash of wrong size":               {"|1|c2FsdA==|aGFzaA== " + keyA, "bytes instead of", true},
		"an authority that cannot be read":   {"@cert-authority * ssh-ed25519 !!!!", "", true},
		"a line that is longer than any key": {"gw1 ssh-rsa " + strings.Repeat("A", 1<<20), "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := parseKnown(t, "gw2 "+keyA+"\n"+test.line+"\ngw3 "+keyB)
			for host, key := range map[string]string{"gw2": keyA, "gw3": keyB} {
				if keys, _ := known.Lookup(host, 22); !slices.Equal(texts(keys), []string{key}) {
					t.Errorf("%s may have the keys %q", host, texts(keys))
				}
			}
			lines := known.Unusable("gw1")
			if len(lines) != 1 || lines[0].Line != 2 || lines[0].Unwrap() == nil || !strings.Contains(lines[0].Error(), "line 2 of known_hosts") ||
				!strings.Contains(lines[0].Error(), test.want) || len(lines[0].Error()) > 300 {
				t.Errorf("it names %v, want line 2 and %q", lines, test.want)
			}
			if got := len(known.Unusable("elsewhere")) > 0; got != test.others {
				t.Errorf("reported for another host: %t", got)
			}
		})
	}
}

// An unusable line may revoke a key. It must be known which one.
func TestALineThatMayRevokeAKeyIsNeverIgnored(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line string
		want bool
	}{
		"a key":                                 {"@revoked * " + keyA, true},
		"a key of a type that is not supported": {"@revoked * ssh-dss AAAAB3NzaC1kc3MAAACBAA==", true},
		"a security key":                        {"@revoked gw1 sk-ssh-ed25519@openssh.com AAAA", true},
		"a certificate that cannot be read":     {"@revoked * ssh-ed25519-cert-v01@openssh.com AAAA", false},
		"no host":                               {"@revoked " + keyA, false},
		"no key":                                {"@revoked * ssh-ed25519", false},
		"a key that cannot be read":             {"@revoked * ssh-ed25519 !!!!", false},
		"a key that was cut off":                {"@revoked * ssh-ed25519 AAAAC3Nz", false},
		"a word that is no type":                {"@revoked * nonsense AAAA", false},
		"a misspelt marker":                     {"@revoke * " + keyA, false},
		"a marker alone":                        {"@revoked", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseKnownHosts([]byte("gw1 " + keyA + "\n" + test.line + "\ngw2 " + keyB))
			var refused *KnownHostsError
			if errors.As(err, &refused) == test.want || err != nil && (refused.Line != 2 || !strings.Contains(err.Error(), "line 2 of known_hosts")) {
				t.Errorf("error %v, want none: %t", err, test.want)
			}
		})
	}
}

func TestFilesOfWindowsEditorsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"a mark": "\ufeffgw1 " + keyA, "line ends": "gw1 " + keyA + "\r\n", "both": "\ufeff\r\ngw1 " + keyA + "\r\n"} {
		if keys, _ := parseKnown(t, text).Lookup("gw1", 22); !slices.Equal(texts(keys), []string{keyA}) {
			t.Errorf("%s: gw1 may have the keys %q", name, texts(keys))
		}
	}
	for _, mark := range []string{"\xff\xfeg\x00", "\xfe\xff\x00g"} {
		if _, err := ParseKnownHosts([]byte(mark)); err == nil || !strings.Contains(err.Error(), "UTF-16") {
			t.Errorf("UTF-16: %v", err)
		}
	}
}

func parseKnown(t testing.TB, text string) KnownHosts {
	t.Helper()
	known, err := ParseKnownHosts([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func texts(keys []ssh.PublicKey) []string {
	var all []string
	for _, key := range keys {
		all = append(all, Text(key))
	}
	return all
}

// FuzzParseKnownHosts: no input causes a panic, an error names a line of the text, and a line that trusts a name still does
// so when it is appended to the input.
func FuzzParseKnownHosts(f *testing.F) {
	for _, seed := range []string{
		"gw1 " + keyA, "[gw1]:2222,*.example.net,!x " + keyB + " comment", "@revoked * " + keyA,
		"@cert-authority * " + keyA, knownhosts.HashHostname("gw1") + " " + keyA, "# c\n\n", "|1|| x y", "@ @ @", "!",
	} {
		f.Add(seed, "gw1")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		known, err := ParseKnownHosts([]byte(text))
		var refused *KnownHostsError
		if err != nil && (!errors.As(err, &refused) || refused.Line < 1 || refused.Line > strings.Count(text, "\n")+1) {
			t.Fatalf("error %v does not name a line of %q", err, text)
		}
		if err != nil {
			return
		}
		before, _ := known.Lookup(name, 22)
		more := parseKnown(t, text+"\n"+"appended.example.net "+keyA+"\n")
		after, _ := more.Lookup(name, 22)
		if name != "appended.example.net" && !slices.Equal(texts(before), texts(after)) && !strings.HasSuffix(text, "\r") {
			t.Fatalf("%q: a line for another host changed the keys of %q", text, name)
		}
		if keys, _ := more.Lookup("appended.example.net", 22); !Contains(keys, parse(t, keyA)) {
			t.Fatalf("%q: the line that was appended does not count", text)
		}
	})
}

// FuzzMatchesWildcard compares with a plain recursive definition.
func FuzzMatchesWildcard(f *testing.F) {
	for _, seed := range [][2]string{{"*", ""}, {"a*b", "acb"}, {"*?", "x"}, {"**a", "ba"}, {"a", "b"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 12 || len(name) > 12 {
			return
		}
		if got, want := matchesWildcard(pattern, name), matchesByDefinition(pattern, name); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, name, got, want)
		}
	})
}

func matchesByDefinition(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return matchesByDefinition(pattern[1:], name) || (name != "" && matchesByDefinition(pattern, name[1:]))
	case name == "":
		return false
	default:
		return (pattern[0] == '?' || pattern[0] == name[0]) && matchesByDefinition(pattern[1:], name[1:])
	}
}
