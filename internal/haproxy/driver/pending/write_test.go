package pending_test

import (
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/driver/pending"
)

func TestAFileIsDueAMomentAfterTheLastChangeAndSoonAfterTheFirst(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		changes []time.Duration
		want    time.Duration
	}{
		"one change":                    {[]time.Duration{0}, 200 * time.Millisecond},
		"another one in time":           {[]time.Duration{0, 150 * time.Millisecond}, 350 * time.Millisecond},
		"changes without a pause":       {[]time.Duration{0, 150 * time.Millisecond, 900 * time.Millisecond}, time.Second},
		"changes that go on afterwards": {[]time.Duration{0, 900 * time.Millisecond, 3 * time.Second}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var write pending.Write
			for _, at := range test.changes {
				write = write.Changed(start.Add(at))
			}
			if got := write.Due().Sub(start); got != test.want {
				t.Errorf("the file is due after %s, want %s", got, test.want)
			}
			if due := start.Add(test.want); write.IsDue(due.Add(-time.Millisecond)) || !write.IsDue(due) {
				t.Errorf("it is not due at %s, or before", test.want)
			}
		})
	}
}

func TestAFileThatChangesAllTheTimeIsWrittenMoreAndMoreRarely(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	var write pending.Write
	written := start
	write = write.Written(written, written)
	for i, want := range []time.Duration{200, 400, 800, 1600, 3200, 5000, 5000} {
		// A change comes right after each write.
		write = write.Changed(written)
		if got := write.Due().Sub(written); got < want*time.Millisecond || got > want*time.Millisecond*5/4 {
			t.Errorf("write %d is due after %s, want %d ms and up to a quarter more", i+1, got, want)
		}
		written = write.Due()
		write = write.Written(written, written)
	}
	rested := written.Add(20 * time.Second)
	write = write.Changed(rested)
	if got := write.Due().Sub(rested); got != 200*time.Millisecond {
		t.Errorf("after a rest, the file is due after %s", got)
	}
	if got := write.Written(rested, rested).Changed(rested).Due().Sub(rested); got != 200*time.Millisecond {
		t.Errorf("and after that one, after %s", got)
	}
}

func TestAFileIsStaleAfterChangesDuringItsWrite(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	write := pending.Write{}.Changed(start).Changed(at(250)).Written(at(200), at(300))
	if got, want := write.Due(), at(500); !write.Exists() || got != want {
		t.Errorf("it is due after %s, want %s", got.Sub(start), want.Sub(start))
	}
	if write := (pending.Write{}).Changed(start).Written(at(200), at(300)); write.Exists() {
		t.Errorf("got %+v", write)
	}
}

func TestAWriteIsOverdueWhenChangesLeaveNoSyncForIt(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	write := pending.Write{}.Changed(start).Changed(start.Add(4 * time.Second))
	if write.IsOverdue(start.Add(6*time.Second)) || !write.IsOverdue(start.Add(7*time.Second)) {
		t.Errorf("got %+v", write)
	}
}

func TestAFileThatIsNotStaleIsNeverDue(t *testing.T) {
	t.Parallel()
	var write pending.Write
	if now := time.Unix(1000, 0); write.Exists() || !write.Due().IsZero() || write.IsDue(now) || write.IsOverdue(now) {
		t.Errorf("got %+v", write)
	}
}

func TestASlowWriteIsNoRest(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	write := pending.Write{}.Written(now, now)
	for i, want := range []time.Duration{200, 400, 800, 1600} {
		write = write.Changed(now)
		if got := write.Due().Sub(now); got < want*time.Millisecond || got > want*time.Millisecond*5/4 {
			t.Errorf("write %d is due after %s, want %d ms and up to a quarter more", i+1, got, want)
		}
		began := write.Due()
		now = began.Add(30 * time.Second)
		write = write.Written(began, now)
	}
}
