package runtime_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/edgelb/edgelb/internal/haproxy/runtime"
	"github.com/edgelb/edgelb/internal/lab/programs"
	"github.com/edgelb/edgelb/internal/lab/waiting"
)

// One of two threads is made busy for a while. What the other is told then must not be carried out before.
func TestACommandAwaitsWhatOtherThreadsAreAt(t *testing.T) {
	t.Parallel()
	programs.OnEachHAProxy(t, func(t *testing.T, program string) {
		folder := shortFolder(t)
		first, second, config := filepath.Join(folder, "1"), filepath.Join(folder, "2"), filepath.Join(folder, "haproxy.cfg")
		text := fmt.Sprintf("global\n nbthread 2\n stats socket %s level admin thread 1\n stats socket %s level admin thread 2\n"+
			"defaults\n timeout connect 1s\n timeout client 1s\n timeout server 1s\nbackend web\n server a 127.0.0.1:1\n", first, second)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, program, config, second)
		const busy = 300 * time.Millisecond
		waits := func() bool {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				ask(t, first, fmt.Sprintf("expert-mode on; debug dev loop %d", busy.Milliseconds()))
			}()
			defer func() { <-ended }()
			for {
				began := time.Now()
				if err := runtime.AwaitThreads().Check(string(ask(t, second, runtime.AwaitThreads().String()))); err != nil {
					t.Fatal(err)
				}
				if time.Since(began) > busy/2 {
					return true
				}
				select {
				case <-ended:
					return false
				default:
				}
			}
		}
		// On a busy machine, this test may be late to ask.
		if !waiting.Until(waiting.Long, waits) {
			t.Errorf("%q is answered at once, while another thread is busy for %s", runtime.AwaitThreads(), busy)
		}
	})
}
