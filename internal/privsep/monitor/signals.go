package monitor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// ignoredSignals lists the signals that this process ignores, by its
// /proc/self/status.
func ignoredSignals() ([]os.Signal, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("read which signals are ignored: %w", err)
	}
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("SigIgn:"))
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(string(bytes.TrimSpace(rest)), 16, 64)
		if err != nil {
			return nil, fmt.Errorf("read which signals are ignored: %w", err)
		}
		var out []os.Signal
		for n := range 64 {
			if mask&(1<<n) != 0 {
				out = append(out, syscall.Signal(n+1))
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("/proc/self/status does not tell which signals are ignored")
}
