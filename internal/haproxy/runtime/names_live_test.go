package runtime_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy"
	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
)

// runWithNames starts a HAProxy that looks into a map with these lines, twice, and returns a dialogue and the map's path.
func runWithNames(t *testing.T, program, lines string) (*running, string) {
	t.Helper()
	folder := shortFolder(t)
	socket, names, config := filepath.Join(folder, "s"), filepath.Join(folder, "haproxy.cfg.edgelb-names-0123456789abcdef"), filepath.Join(folder, "haproxy.cfg")
	text := fmt.Sprintf("global\n stats socket %s level admin\ndefaults\n mode tcp\n timeout client 1s\n timeout server 1s\n timeout connect 1s\n"+
		"frontend in\n bind %s\n tcp-request content set-var(txn.name) str(in/),map_str(%s)\n use_backend %%[str(w),map_str(%s,none)]\n",
		socket, ownAddress(t), names, names)
	for path, content := range map[string]string{config: text, names: lines} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, program, config, socket)
	conn, err := net.Dial("unix", socket)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
		err = conn.SetDeadline(time.Now().Add(time.Minute))
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, conn: conn, replies: runtime.NewReplies(conn)}
	if reply := r.ask(runtime.Prompt); reply[0] != "" {
		t.Fatalf("the prompt is answered by %q", reply)
	}
	return r, names
}

// names returns the entries of the map.
func (r *running) names(path string) []haproxy.Entry {
	r.t.Helper()
	entries, err := runtime.ParseNames([]byte(r.ask(runtime.ShowNames(path))[0]))
	if err != nil {
		r.t.Fatal(err)
	}
	return entries
}

// requireName fails unless the map has that value for the key; an empty value means no entry.
func (r *running) requireName(path, key, want string) {
	r.t.Helper()
	entry, found, err := runtime.ParseName(key, []byte(r.ask(runtime.NameOf(path, key))[0]))
	if err != nil || entry.Value != want || found != (want != "") {
		r.t.Errorf("%s: got %q, %t, %v, want %q", key, entry, found, err, want)
	}
}

// requireSize fails unless HAProxy reports that many entries in the map.
func (r *running) requireSize(path string, want int) {
	r.t.Helper()
	answer := r.ask(runtime.ShowMaps)[0]
	if got, known := runtime.MapSize(path, []byte(answer)); got != want || !known {
		r.t.Errorf("got %d, %t, want %d entries from %q", got, known, want, answer)
	}
}

func TestANameIsAddedMovedAndDeletedWithoutAReload(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h, path := runWithNames(t, program, "in/a.example.com a\n")
		const wild = "in/*.example.com"
		h.do(runtime.AddName(path, haproxy.Entry{Key: wild, Value: "w"}), runtime.AddName(path, haproxy.Entry{Key: "w:07", Value: "a,b,c"}))
		want := []haproxy.Entry{{Key: "in/a.example.com", Value: "a"}, {Key: wild, Value: "w"}, {Key: "w:07", Value: "a,b,c"}}
		if got := h.names(path); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		h.requireName(path, wild, "w")
		h.do(runtime.SetName(path, haproxy.Entry{Key: wild, Value: "a"}))
		h.requireName(path, wild, "a")
		h.do(runtime.DeleteName(path, wild))
		h.requireName(path, wild, "")
		h.requireName(path, "w:07", "a,b,c")
		if got := h.names(path); len(got) != 2 {
			t.Errorf("got %q", got)
		}
	})
}

// Somebody who adds a name by hand may add it twice.
func TestADuplicateNameIsMovedAndDeletedAsOne(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h, path := runWithNames(t, program, "")
		if got := h.names(path); got != nil {
			t.Errorf("an empty map has %q", got)
		}
		h.do(runtime.AddName(path, haproxy.Entry{Key: "in/a", Value: "a"}), runtime.AddName(path, haproxy.Entry{Key: "in/a", Value: "b"}))
		h.requireName(path, "in/a", "a")
		h.do(runtime.SetName(path, haproxy.Entry{Key: "in/a", Value: "c"}))
		if got, want := h.names(path), []haproxy.Entry{{Key: "in/a", Value: "c"}, {Key: "in/a", Value: "c"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		h.requireSize(path, 2)
		h.do(runtime.DeleteName(path, "in/a"))
		h.requireName(path, "in/a", "")
		h.requireSize(path, 0)
	})
}

func TestHAProxyRefusesNamesThatItCannotChange(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h, path := runWithNames(t, program, "in/a a\n")
		entry := haproxy.Entry{Key: "in/b", Value: "b"}
		h.refused(runtime.SetName(path, entry), "entry not found.")
		h.refused(runtime.DeleteName(path, entry.Key), "Key not found.")
		for _, command := range []runtime.Command{runtime.AddName("/other", entry), runtime.SetName("/other", entry), runtime.DeleteName("/other", "in/a")} {
			h.refused(command, "Unknown map identifier.")
		}
		if got := h.names("/other"); got != nil {
			t.Errorf("a map that is not there has %q", got)
		}
		if _, _, err := runtime.ParseName("in/a", []byte(h.ask(runtime.NameOf("/other", "in/a"))[0])); err == nil {
			t.Error("a map that is not there answers for a key")
		}
		h.requireName(path, "in/a", "a")
	})
}

func TestThousandsOfNamesGoDownOneSocket(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h, path := runWithNames(t, program, "")
		var commands []runtime.Command
		for i := range 10_000 {
			commands = append(commands, runtime.AddName(path, haproxy.Entry{Key: fmt.Sprintf("in/app-%05d.example.com", i), Value: "a"}))
		}
		began := time.Now()
		h.do(commands...)
		t.Logf("%d names were added in %v", len(commands), time.Since(began))
		if got := h.names(path); len(got) != len(commands) {
			t.Errorf("got %d names", len(got))
		}
		last := haproxy.Entry{Key: "in/app-09999.example.com", Value: "b"}
		h.do(runtime.SetName(path, last))
		h.requireName(path, last.Key, "b")
	})
}

func TestNamesAreReadOutsideOfADialogueAsWell(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		h, path := runWithNames(t, program, "in/a a\nin/b b\n")
		answer := ask(t, filepath.Join(filepath.Dir(path), "s"), runtime.ShowNames(path))
		if got, err := runtime.ParseNames(answer); err != nil || !reflect.DeepEqual(got, h.names(path)) {
			t.Errorf("got %q, %v from %q", got, err, answer)
		}
	})
}
