package attack

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// cgroup is a control group of a test's own, of version 1 or 2, whichever has
// the controller here.
type cgroup struct {
	t   *testing.T
	dir string
	v2  bool
}

// newCgroup makes one, or skips the test where this host has no such
// controller to give.
func newCgroup(t *testing.T, controller string) *cgroup {
	t.Helper()
	tmuxtest.As(t, owner) // skips where we are not root
	c := &cgroup{t: t}
	parent := cgroupOf(t, controller)
	if parent == "" {
		if parent, c.v2 = cgroupOf(t, ""), true; parent == "" {
			tmuxtest.Skip(t, "needs the %s controller of cgroups: none is mounted", controller)
		}
		have, _ := os.ReadFile(parent + "/cgroup.controllers")
		if !slices.Contains(strings.Fields(string(have)), controller) {
			tmuxtest.Skip(t, "needs the %s controller of cgroups, which has %q", controller, strings.Fields(string(have)))
		}
		if err := os.WriteFile(parent+"/cgroup.subtree_control", []byte("+"+controller), 0); err != nil {
			tmuxtest.Skip(t, "needs the %s controller of cgroups: %v", controller, err)
		}
	}
	c.dir = filepath.Join(parent, "muxward-test-"+strconv.Itoa(os.Getpid())+"-"+controller)
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		tmuxtest.Skip(t, "needs the %s controller of cgroups: %v", controller, err)
	}
	t.Cleanup(func() { // its processes have not ended yet: they go back first
		tmuxtest.Eventually(t, func() bool {
			procs, _ := os.ReadFile(c.dir + "/cgroup.procs")
			for _, p := range strings.Fields(string(procs)) {
				_ = os.WriteFile(parent+"/cgroup.procs", []byte(p), 0) // it may be gone
			}
			return os.Remove(c.dir) == nil
		}, "the cgroup is removed")
	})
	return c
}

// cgroupOf finds where the hierarchy of a controller, version 1, is mounted,
// or with "" version 2.
func cgroupOf(t *testing.T, controller string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		at, kind := strings.Fields(before), strings.Fields(after)
		if len(at) < 5 || len(kind) < 3 {
			continue
		}
		if controller == "" && kind[0] == "cgroup2" ||
			controller != "" && kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), controller) {
			return at[4]
		}
	}
	return ""
}

// limits are the settings by what they limit, version 1 and 2.
var limits = map[string][2]string{
	"memory": {"memory.limit_in_bytes", "memory.max"},
	"pids":   {"pids.max", "pids.max"},
	"cpu":    {"cpu.cfs_quota_us", "cpu.max"},
}

// limit sets what may be used: bytes, processes, or microseconds of each
// tenth of a second; -1 is all there is.
func (c *cgroup) limit(what, value string) {
	c.t.Helper()
	name := limits[what][0]
	if c.v2 {
		name = limits[what][1]
		if value == "-1" {
			value = "max"
		}
	}
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(value), 0); err != nil {
		c.t.Fatal(err)
	}
}

// take puts a process into the group.
func (c *cgroup) take(pid int) {
	c.t.Helper()
	if err := os.WriteFile(c.dir+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
		c.t.Fatal(err)
	}
}

// number reads one of the group's counts.
func (c *cgroup) number(name string) int {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		c.t.Fatalf("%s is %q", name, text)
	}
	return n
}
