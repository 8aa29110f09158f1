package status

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/edgelb/edgelb/api/v1alpha1"
	"github.com/edgelb/edgelb/internal/model"
	"github.com/edgelb/edgelb/internal/record"
	"github.com/edgelb/edgelb/internal/sanitize"
	"github.com/edgelb/edgelb/internal/status/fit"
)

const evil = "\x1b[2J\x00\u202e\xff "

// manyHosts is an object with n hosts, which all report the same.
func manyHosts(n int, outcome model.Outcome) v1alpha1.EdgeLoadBalancerStatus {
	object := twoHosts()
	object.Spec.Hosts = nil
	known := tried(outcome)
	known.Wanted.Members[0].Frontends = []string{"shop_web_https"}
	for i := range n {
		object.Spec.Hosts = append(object.Spec.Hosts, v1alpha1.Host{
			Name: fmt.Sprintf("%s-%d", strings.Repeat("n", 59), i), Address: fmt.Sprintf("%s-%d", strings.Repeat("a", 249), i),
			User: strings.Repeat("u", 32), PublicAddresses: []string{fmt.Sprintf("198.51.%d.%d", i/250, i%250), fmt.Sprintf("2001:db8::%d", i)},
		})
	}
	return Summarize(object, ViewsOf(object, func(model.HostID) record.Host { return known }), noon())
}

func TestWhatHostsSayIsClippedAndEscaped(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(evil, 1000)
	outcome := model.Outcome{
		State: model.Rejected, Message: long, HAProxyVersion: long, Reasons: []string{long}, Fingerprint: long,
		BindFailures: []model.BindFailure{{Frontend: "shop_web_https", Bind: ":443", Why: long}},
	}
	for _, hosts := range []int{1, 2, 6, 128, 500} {
		status := manyHosts(hosts, outcome)
		messages := 0
		for _, host := range status.Hosts {
			messages += len(host.Message)
			requireFit(t, host.Message, sanitize.Message)
			requireFit(t, host.HAProxyVersion, sanitize.Name)
			requireFit(t, host.ConfigHash, fit.HashSize)
			if host.State != v1alpha1.HostRejected || len(host.Message) < 300 {
				t.Errorf("%d hosts: state %s, message %q", hosts, host.State, host.Message)
			}
		}
		for _, condition := range status.Conditions {
			requireFit(t, condition.Message, sanitize.Message)
		}
		for _, list := range []string{status.Summary.Addresses, status.Summary.NotSynced, status.Summary.Binds} {
			requireFit(t, list, fit.ListSize)
		}
		if messages > fit.MessagesSize {
			t.Errorf("%d hosts: messages of %d bytes", hosts, messages)
		}
		text, err := json.Marshal(status)
		if err != nil || len(text) > 700<<10 {
			t.Errorf("%d hosts: %d bytes, error %v", hosts, len(text), err)
		}
	}
}

func requireFit(t *testing.T, text string, limit int) {
	t.Helper()
	if len(text) > limit || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		t.Errorf("%d bytes of at most %d: %.300q", len(text), limit, text)
	}
}

func TestAConditionCountsManyHostsWithLongMessages(t *testing.T) {
	t.Parallel()
	status := manyHosts(7, model.Outcome{State: model.Rejected, Message: strings.Repeat("x", 2000)})
	for _, condition := range status.Conditions {
		if condition.Type == v1alpha1.ConditionHostsSynced && !strings.HasSuffix(condition.Message, "; and 2 more") {
			t.Errorf("message %q", condition.Message)
		}
	}
}

func TestListsOfTheSummaryCountWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	status := manyHosts(500, model.Outcome{State: model.Rejected})
	if got := status.Summary.NotSynced; !strings.HasSuffix(got, ", and 484 more") || strings.Count(got, ",") != 16 {
		t.Errorf("not synced are %q", got)
	}
	if got := fit.Listed([]string{"gw1", "gw2"}); got != "gw1,gw2" {
		t.Errorf("got %q", got)
	}
	if got := fit.Listed(nil); got != "" {
		t.Errorf("got %q of nothing", got)
	}
}

func TestAShortenedStatusKeepsWhatProgramsRelyOn(t *testing.T) {
	t.Parallel()
	full := manyHosts(3, model.Outcome{State: model.Rejected, Message: "no", Fingerprint: "1f0c", HAProxyVersion: "2.6.12", Installed: []string{"haproxy 2.6.12-1"}})
	shortened := fit.Shortened(full)
	for i, host := range shortened.Hosts {
		want := full.Hosts[i]
		want.Message, want.HAProxyVersion, want.Installed = "", "", nil
		if !reflect.DeepEqual(host, want) || host.ConfigHash == "" {
			t.Errorf("host is %+v", host)
		}
	}
	for i, condition := range shortened.Conditions {
		want := full.Conditions[i]
		want.Message = fit.NotWritten
		if condition != want {
			t.Errorf("condition is %+v", condition)
		}
	}
	if full.Hosts[0].Message == "" || full.Conditions[0].Message == fit.NotWritten || full.Summary.NotSynced == "" {
		t.Error("the full status was changed")
	}
	if len(shortened.Addresses) != 6 || shortened.Summary.Hosts != "0/3" || shortened.Summary.NotSynced != "" {
		t.Errorf("addresses %v, summary %+v", shortened.Addresses, shortened.Summary)
	}
}

// Whoever prints a status writes it to a terminal.
func TestNoStringOfAStatusContainsWhatATerminalObeys(t *testing.T) {
	t.Parallel()
	object := twoHosts()
	object.Spec.SSH.User = evil
	object.Spec.Hosts[0].Name, object.Spec.Hosts[0].PublicAddresses = "gw"+evil, []string{evil}
	object.Spec.Listeners = []v1alpha1.Listener{{Bind: []v1alpha1.BindAddress{evil}}}
	known := tried(model.Outcome{State: model.Synced}, problem(v1alpha1.ReasonNoEndpoints, "Service "+evil))
	text, err := json.Marshal(summarized(object, known, synced()))
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			requireFit(t, value, sanitize.Message)
		case []any:
			for _, one := range value {
				walk(one)
			}
		case map[string]any:
			for _, one := range value {
				walk(one)
			}
		}
	}
	walk(parsed)
}

func TestAListIsNeverTooLongAndCountsAllOfItsWords(t *testing.T) {
	t.Parallel()
	for size := 1; size < 600; size += 7 {
		for count := 1; count <= 500; count += 83 {
			got := fit.Listed(slices.Repeat([]string{strings.Repeat("x", size)}, count))
			shown, rest, isCut := strings.Cut(got, ", and ")
			named := strings.Count(shown, "x") / size
			more, _ := strconv.Atoi(strings.TrimSuffix(rest, " more"))
			if len(got) > fit.ListSize || named+more != count || isCut != (more > 0) || !isCut && count*(size+1) > fit.ListSize {
				t.Errorf("%d words of %d bytes: %d bytes, %d named and %d more", count, size, len(got), named, more)
			}
		}
	}
}
