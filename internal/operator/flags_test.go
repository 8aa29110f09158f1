package operator

import (
	"flag"
	"slices"
	"testing"
)

func TestTheFlagsSetTheWatchedNamespacesAndTheAccessToMetrics(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args       []string
		namespaces []string
		secure     bool
	}{
		{nil, nil, true},
		{[]string{"--watch-namespaces=shop, blog,"}, []string{"shop", "blog"}, true},
		{[]string{"--metrics-secure=false"}, nil, false},
	} {
		f := parse(t, test.args...)
		options, err := managerOptions(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.namespaces(); !slices.Equal(got, test.namespaces) || len(options.Cache.DefaultNamespaces) != len(test.namespaces) {
			t.Errorf("%q: watched are %q, and by the cache %v", test.args, got, options.Cache.DefaultNamespaces)
		}
		if options.Metrics.SecureServing != test.secure || (options.Metrics.FilterProvider != nil) != test.secure {
			t.Errorf("%q: metrics are secure: %t", test.args, options.Metrics.SecureServing)
		}
	}
}

// parse returns the flags of a command line.
func parse(t *testing.T, arguments ...string) Flags {
	t.Helper()
	var f Flags
	set := flag.NewFlagSet("manager", flag.ContinueOnError)
	f.AddTo(set)
	if err := set.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	return f
}
