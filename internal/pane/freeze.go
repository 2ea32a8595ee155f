package pane

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

// freezeTime is how long it is waited for that all that was frozen stands still.
const freezeTime = 200 * time.Millisecond

// Freeze has the programs of sessions stand still, or go on: of those whose minding process is
// meant. It gives how many sessions there were by which cgroups it was done, and how many it was
// not done with, as they have no cgroup2 that has cgroup.freeze (Linux 5.2), or it fails. An error
// says that some of them may stand still and could not be had go on: it is to be tried again.
func Freeze(meant func(pid int) bool, still bool) (done, left int, stuck error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !still {
		return 0, 0, err
	}
	var dirs []string
	for pid, p := range processes() {
		if p.ended || !meant(pid) {
			continue
		}
		dir := ""
		if err == nil {
			dir = branchOf(string(mounts), pid, p.start)
		}
		if dir == "" {
			left++
			continue
		}
		err := os.WriteFile(dir+"/cgroup.freeze", []byte(frozen(still)), 0)
		switch {
		case err == nil:
			dirs = append(dirs, dir)
		case !still && !goneFile(err):
			stuck = errors.Join(stuck, err)
		default:
			left++
		}
	}
	for end := time.Now().Add(freezeTime); still && time.Now().Before(end) && !allFrozen(dirs); {
		time.Sleep(endPause)
	}
	return len(dirs), left, stuck
}

// goneFile reports whether a file of a cgroup is not there, or not any more.
func goneFile(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV)
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
