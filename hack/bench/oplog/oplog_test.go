package oplog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/lab/waiting"
)

func TestFollowReadsWhatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	events := make(chan Event, 10)
	ctx, cancel := context.WithTimeout(t.Context(), waiting.Long)
	defer cancel()
	go func() { _ = Follow(ctx, path, events) }()
	for _, part := range []string{
		"no JSON\n", `{"ts":"2026-11-21T08:31:15.123456789Z","msg":"Host chan`, "ged\",\"host\":\"a:22\",\"seconds\":0.5,\"phases\":{\"build\":1.5}}\n",
		`{"msg":"something else","host":"b:22"}` + "\n", `{"msg":"Host state changed","host":"b:22","state":"Synced"}` + "\n",
	} {
		if _, err := log.WriteString(part); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Await(ctx, events, []string{"a:22", "b:22"}, func(Event) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if a := found["a:22"]; a.Seconds != 0.5 || a.Phases["build"] != 1.5 || a.At.Nanosecond() != 123456789 {
		t.Errorf("got %+v", a)
	}
	if b := found["b:22"]; b.Message != HostStateChanged || b.State != "Synced" {
		t.Errorf("got %+v", b)
	}
}

func TestAChangeIsProvedByItsWords(t *testing.T) {
	t.Parallel()
	events := make(chan Event, 20)
	change := NewChange(events, []string{"a", "b"})
	later := func(seconds int) time.Time { return change.Began().Add(time.Duration(seconds) * time.Second) }
	added := []string{"backend x: server pod-2 added"}
	for _, e := range []Event{
		{Host: "a", Message: HostChanged, At: later(-1), Update: "Runtime", Reasons: added},
		{Host: "a", Message: HostChanged, At: later(1), Update: "Runtime", Reasons: []string{"backend x: server pod-1 removed"}},
		{Host: "b", Message: HostStateChanged, At: later(1), Reasons: added},
		{Host: "b", Message: HostChanged, At: later(2), Update: "File", State: "Synced"},
		{Host: "a", Message: HostChanged, At: later(3), Update: "Runtime", Reasons: added},
		{Host: "b", Message: HostChanged, At: later(5), Update: "Runtime", Reasons: added},
	} {
		events <- e
	}
	proofs, err := change.Proofs(t.Context(), "server pod-2 added")
	if err != nil {
		t.Fatal(err)
	}
	if proofs["a"].At != later(3) || Last(proofs).At != later(5) {
		t.Errorf("got %+v", proofs)
	}
}

func TestAwaitNamesTheHostsThatItMissed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := Await(ctx, nil, []string{"gw1:22"}, func(Event) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "gw1:22 (last: nothing") {
		t.Errorf("got %v", err)
	}
}
