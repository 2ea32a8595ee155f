package pane

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bounds are those of one session, with all that it has begun; 0 is none.
type Bounds struct {
	Processes int64
	Memory    int64 // bytes
	// Asked says that the administrator has asked for the first: without it there is no
	// session. Nobody has for less than all processes by themselves; the memory is always asked for.
	Asked bool
}

// asked reports whether one of them was asked for.
func (b Bounds) asked() bool { return b.Asked && b.Processes > 0 || b.Memory > 0 }

// unmet refuses a session without the bounds that were asked for.
func (b Bounds) unmet(missing []string) error {
	for _, name := range missing {
		switch {
		case name == pidsController && b.Asked && b.Processes > 0:
			return errors.New("its processes cannot be bounded here (pane_processes): no cgroup with the controller pids can be written")
		case name == memoryController && b.Memory > 0:
			return errors.New("its memory cannot be bounded here (pane_memory): no cgroup with the controller memory can be written")
		}
	}
	return nil
}

// The controllers that bound a session.
const (
	pidsController   = "pids"
	memoryController = "memory"
)

// Missing gives the controllers by which these bounds would not hold for sessions that we have
// begun here. It is asked by one goroutine at a time.
func Missing(b Bounds) []string {
	try := newBranch(b)
	try.close()
	return try.missing
}

// subgroup is the cgroup that the unit of muxward has it and its processes in
// (DelegateSubgroup= of systemd.resource-control(5), from systemd 254 on): a cgroup that gives
// controllers to those below it has no processes of its own (cgroups(7)). We do not move ourselves
// there where systemd does not: what is left of us would then keep it from starting us again, as it
// puts a new process above.
const subgroup = "muxward"

// beside gives the cgroup that those of sessions are made in, from the one that we are in.
func beside(own string) string {
	up := parted(own)
	if up == own {
		return own
	}
	for _, c := range []string{"+pids", "+memory"} {
		_ = os.WriteFile(up+"/cgroup.subtree_control", []byte(c), 0) // what is not given is found missing
	}
	return up
}

// parted names that cgroup.
func parted(own string) string {
	if filepath.Base(own) != subgroup {
		return own
	}
	return filepath.Dir(own)
}

// bound is where one bound is set: the controller, and its files in both versions of
// cgroups.
type bound struct {
	controller, one, two string
	value                int64
}

func (b Bounds) list() []bound {
	return slices.DeleteFunc([]bound{
		{pidsController, "pids.max", "pids.max", b.Processes},
		{memoryController, "memory.limit_in_bytes", "memory.max", b.Memory},
	}, func(b bound) bool { return b.value <= 0 })
}

// set sets the bounds in a cgroup2, if it has one, and elsewhere in cgroups of version 1,
// which it gives, and which of them do not hold.
func (b Bounds) set(dir string, name string, mounts, own string) (join, missing []string) {
	for _, one := range b.list() {
		value := []byte(strconv.FormatInt(one.value, 10))
		if dir != "" && os.WriteFile(filepath.Join(dir, one.two), value, 0) == nil {
			if one.controller == memoryController { // where there is swap, it is none beside
				_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0)
			}
			continue
		}
		above := controllerAbove(mounts, own, one.controller)
		if above == "" {
			missing = append(missing, one.controller)
			continue
		}
		at := filepath.Join(above, name)
		if os.Mkdir(at, 0o755) != nil && !slices.Contains(join, at) {
			missing = append(missing, one.controller)
			continue
		}
		known := slices.Contains(join, at) // of the other controller, where both are in one hierarchy
		if os.WriteFile(filepath.Join(at, one.one), value, 0) != nil {
			if !known {
				_ = os.Remove(at) // it is empty
			}
			missing = append(missing, one.controller)
			continue
		}
		if one.controller == memoryController { // the file is there where swap is counted
			_ = os.WriteFile(filepath.Join(at, "memory.memsw.limit_in_bytes"), value, 0)
		}
		if !known {
			join = append(join, at)
		}
	}
	return join, missing
}

// controllerAbove gives the directory of the cgroup, of version 1, that we are in by a
// controller, "" if there is none.
func controllerAbove(mounts, own, controller string) string {
	within := ""
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			within = f[2]
		}
	}
	return mountedAt(mounts, within, func(kind []string) bool {
		return len(kind) > 2 && kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), controller)
	})
}

// mountedAt gives the directory of a cgroup in the hierarchy whose mount is meant.
func mountedAt(mounts, within string, meant func(kind []string) bool) string {
	if !strings.HasPrefix(within, "/") || strings.Contains(within, "/..") {
		return ""
	}
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !ok || len(f) < 6 || !meant(strings.Fields(after)) || strings.Contains(f[4], `\`) {
			continue
		}
		rest, inside := strings.CutPrefix(within, strings.TrimSuffix(f[3], "/"))
		if inside && (rest == "" || rest[0] == '/') {
			return filepath.Join(f[4], rest)
		}
	}
	return ""
}
