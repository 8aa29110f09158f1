package fault

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Clock is the environment of programs whose clock is wrong by the offset. The time that has passed since they started is
// right, as on a machine whose clock was set wrong.
func Clock(offset time.Duration) ([]string, error) {
	libraries, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return nil, errors.New("libfaketime is not installed: on Debian, `apt-get install faketime`")
	}
	return []string{
		"LD_PRELOAD=" + libraries[0],
		fmt.Sprintf("FAKETIME=%+ds", int(offset.Seconds())),
		"FAKETIME_DONT_FAKE_MONOTONIC=1",
	}, nil
}
