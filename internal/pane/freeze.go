package pane

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/procfs"
)

// freezeTime is how long it is waited for that all that was frozen stands still.
const freezeTime = 200 * time.Millisecond

// Freeze has the programs of sessions stand still, or go on: of those whose minding process is
// meant. It gives how many sessions there were by which cgroups it was done, and how many it was
// not done with, as they have no cgroup2 that has cgroup.freeze (Linux 5.2).
func Freeze(meant func(pid int) bool, still bool) (done, left int) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	var dirs []string
	for pid, p := range processes() {
		if p.ended || !meant(pid) {
			continue
		}
		dir := ""
		if err == nil {
			dir = branchOf(string(mounts), pid, p.start)
		}
		if dir == "" || os.WriteFile(dir+"/cgroup.freeze", []byte(frozen(still)), 0) != nil {
			left++
			continue
		}
		dirs = append(dirs, dir)
	}
	for end := time.Now().Add(freezeTime); still && time.Now().Before(end) && !allFrozen(dirs); {
		time.Sleep(endPause)
	}
	return len(dirs), left
}

func frozen(still bool) string {
	if still {
		return "1"
	}
	return "0"
}

// branchOf gives the cgroup2 of the session that a process minds, "" if there is none.
func branchOf(mounts string, pid int, start uint64) string {
	own, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return ""
	}
	if st, err := procfs.ReadStat(pid); err != nil || st.Start != start {
		return "" // it was another's cgroup
	}
	above := cgroupAbove(mounts, string(own))
	if above == "" {
		return ""
	}
	dir := filepath.Join(parted(above), branchName(pid, start))
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// allFrozen reports whether all in these cgroups stands still (cgroup.events).
func allFrozen(dirs []string) bool {
	for _, dir := range dirs {
		if events, err := os.ReadFile(dir + "/cgroup.events"); err == nil && !strings.Contains(string(events), "frozen 1") {
			return false
		}
	}
	return true
}
