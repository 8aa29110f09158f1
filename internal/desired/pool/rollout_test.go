package pool

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// podsOf parses the pods of a slice, such as "a b! c~ d-": a is ready, b is starting, c terminates and still serves, and d
// terminates and no longer serves. The last byte of a pod's address is its letter.
func podsOf(prefix, text string) []discoveryv1.Endpoint {
	var all []discoveryv1.Endpoint
	for field := range strings.FieldsSeq(text) {
		e := pod(field[:1], prefix+string('1'+field[0]-'a'))
		switch field[1:] {
		case "!":
			e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(false), Terminating: new(false)}
		case "~":
			e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
		case "-":
			e.Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(false), Terminating: new(true)}
		}
		all = append(all, e)
	}
	return all
}

// These are the states of slices that Kubernetes goes through; in each there is exactly one right answer.
func TestServersFollowARollout(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][][2]string{ // each is the pods, and the servers
		"one pod is replaced by another": {
			{"a", "a"}, {"a b!", "a"}, {"a b", "a b"}, {"a~ b", "b"}, {"a- b", "b"}, {"b", "b"},
		},
		"the only pod is replaced after it has ended": {
			{"a", "a"}, {"a~", "a"}, {"a-", ""}, {"b!", ""}, {"b", "b"},
		},
		"the only pod serves until the next one is ready": {
			{"a~ b!", "a"}, {"a~ b", "b"},
		},
		"all pods terminate at once, and end one by one": {
			{"a b c", "a b c"}, {"a~ b~ c~", "a b c"}, {"a- b~ c~", "b c"}, {"a- b- c~", "c"}, {"a- b- c-", ""},
		},
		"pods fail their probes one by one": {
			{"a b", "a b"}, {"a! b", "b"}, {"a! b!", ""}, {"a b!", "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var cache Cache
			dual := service("app", webPort())
			dual.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
			for i, step := range steps {
				ipv4, second := sliceOf(podsOf("10.0.0.", step[0])...), ipv6(sliceOf(podsOf("2001:db8::", step[0])...))
				for families, slices := range map[string][]*discoveryv1.EndpointSlice{"one": {ipv4}, "two": {second, ipv4}} {
					found := cache.Endpoints(firstPort(dual), slices)
					if got := serverNames(found.Servers); strings.Join(got, " ") != step[1] {
						t.Errorf("step %d of %s families, pods %s: servers %v, want %s", i, families, step[0], got, step[1])
					}
					for _, s := range found.Servers {
						if !s.Addr.Is4() {
							t.Errorf("step %d of %s families, pods %s: %s is reached at %s", i, families, step[0], s.Name, s.Addr)
						}
					}
				}
			}
		})
	}
}

// Kubernetes writes the slices of the two families one after the other: what a pod's slice of the second family says must not make it
// change its address, or come and go.
func TestWhileTheFamiliesDisagreeTheFirstOneDecides(t *testing.T) {
	t.Parallel()
	dual := service("app", webPort())
	dual.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}
	for name, test := range map[string]struct{ first, second, want string }{
		"the first family has the new pod already":   {"a b", "a", "a=2001:db8::1 b=2001:db8::2"},
		"the second family has the new pod already":  {"a", "a b", "a=2001:db8::1 b=10.0.0.2"},
		"the first family knows that a pod leaves":   {"a~ b", "a b", "b=2001:db8::2"},
		"the second family knows that a pod leaves":  {"a b", "a~ b", "a=2001:db8::1 b=2001:db8::2"},
		"the first family knows that a pod is ready": {"a b", "a b!", "a=2001:db8::1 b=2001:db8::2"},
		"the second family knows that one is ready":  {"a b!", "a b", "a=2001:db8::1"},
		"all leave, as only the first family knows":  {"a~ b~", "a b", "a=2001:db8::1 b=2001:db8::2"},
		"all have ended, as only the first knows":    {"a- b-", "a b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := ipv6(sliceOf(podsOf("2001:db8::", test.first)...)), sliceOf(podsOf("10.0.0.", test.second)...)
			for _, slices := range [][]*discoveryv1.EndpointSlice{{first, second}, {second, first}} {
				var got []string
				for _, s := range serversBehind(dual, slices...) {
					got = append(got, s.Name+"="+s.Addr.String())
				}
				if strings.Join(got, " ") != test.want {
					t.Errorf("servers %v, want %s", got, test.want)
				}
			}
		})
	}
}
