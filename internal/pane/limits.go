package pane

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Limit is one of setrlimit(2).
type Limit struct {
	Resource int
	Soft     uint64
	Hard     uint64
}

const resources = 16 // RLIM_NLIMITS

// currentLimits gives those of this process.
func currentLimits() ([]Limit, error) {
	var out []Limit
	for r := range resources {
		var l unix.Rlimit
		if err := unix.Prlimit(0, r, nil, &l); err != nil {
			return nil, fmt.Errorf("read limit %d: %w", r, err)
		}
		out = append(out, Limit{r, l.Cur, l.Max})
	}
	return out, nil
}

func setLimits(limits []Limit) error {
	for _, l := range limits {
		if err := unix.Prlimit(0, l.Resource, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
			return fmt.Errorf("set limit %d: %w", l.Resource, err)
		}
	}
	return nil
}

// raiseLimits raises those that only root can raise. The rest is lowered when root's
// rights are gone and all is done but to become the session's program: with too little of
// something this one could not go on.
func raiseLimits(limits []Limit) error {
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Prlimit(0, l.Resource, nil, &now); err != nil {
			return fmt.Errorf("read limit %d: %w", l.Resource, err)
		}
		if l.Hard <= now.Max {
			continue
		}
		now.Max = l.Hard
		if err := unix.Prlimit(0, l.Resource, &now, nil); err != nil {
			return fmt.Errorf("set limit %d: %w", l.Resource, err)
		}
	}
	return nil
}

// usualFiles is how many descriptors a program gets that is told nothing else: as the kernel
// begins with, and as programs expect that use select(2).
const usualFiles = 1024
