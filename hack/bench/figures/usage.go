package figures

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// CPUSeconds returns the CPU time of a process.
func CPUSeconds(pid int) (float64, error) {
	// The kernel counts in hundredths of a second, independently of its tick rate.
	const ticks = 100
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name is in parentheses, and may contain spaces. utime and stime are the 12th and 13th field after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read: %s", pid, text)
	}
	return float64(user+system) / ticks, nil
}

// PeakMiB returns the peak memory of a process.
func PeakMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, err := strconv.Atoi(fields[1])
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status does not say how much memory it had", pid)
}
