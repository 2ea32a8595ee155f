package pane

import (
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
}

// subgroup is the cgroup that the unit of muxward has it and its processes in
// (DelegateSubgroup= of systemd.resource-control(5)): a cgroup that gives controllers to
// those below it has no processes of its own (cgroups(7)).
const subgroup = "muxward"

// beside gives the cgroup that those of sessions are made in, from the one that we are in.
func beside(own string) string {
	if filepath.Base(own) != subgroup {
		return own
	}
	up := filepath.Dir(own)
	for _, c := range []string{"+pids", "+memory"} {
		_ = os.WriteFile(up+"/cgroup.subtree_control", []byte(c), 0) // what is not given is found missing
	}
	return up
}

// bound is where one bound is set: the controller, and its files in both versions of
// cgroups.
type bound struct {
	controller, one, two string
	value                int64
}

func (b Bounds) list() []bound {
	return slices.DeleteFunc([]bound{
		{"pids", "pids.max", "pids.max", b.Processes},
		{"memory", "memory.limit_in_bytes", "memory.max", b.Memory},
	}, func(b bound) bool { return b.value <= 0 })
}

// set sets the bounds in a cgroup2, if it has one, and elsewhere in cgroups of version 1,
// which it gives, and which of them do not hold.
func (b Bounds) set(dir string, name string, mounts, own string) (join, missing []string) {
	for _, one := range b.list() {
		if dir != "" && os.WriteFile(filepath.Join(dir, one.two), []byte(strconv.FormatInt(one.value, 10)), 0) == nil {
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
		if os.WriteFile(filepath.Join(at, one.one), []byte(strconv.FormatInt(one.value, 10)), 0) != nil {
			_ = os.Remove(at) // it is empty
			missing = append(missing, one.controller)
			continue
		}
		if !slices.Contains(join, at) {
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
