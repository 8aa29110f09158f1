package fault

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Clock returns the environment of programs whose clock is wrong by the offset, but runs at the right speed, as on a machine whose
// clock was set wrong. It does not work for sshd, which forbids its processes what libfaketime does.
func Clock(offset time.Duration) ([]string, error) {
	var libraries []string
	for _, pattern := range []string{"/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		libraries = append(libraries, found...)
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
