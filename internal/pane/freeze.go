package pane

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
// not done with, as they have no cgroup2 that has cgroup.freeze (Linux 5.2), or it fails. One that has
// only just begun has its cgroup a moment later. An error says that some of them may stand still and
// could not be had go on: it is to be tried again.
func Freeze(meant func(pid int) bool, still bool) (done, left int, stuck error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil && !still {
		return 0, 0, err
	}
	if err != nil {
		mounts = nil // then there is none
	}
	var rest []held
	for pid, p := range processes() {
		if !p.ended && meant(pid) {
			rest = append(rest, held{pid, p.start})
		}
	}
	var dirs []string
	freeze := func(h held) bool { // whether it need not be tried again
		dir, may := branchOf(string(mounts), h)
		if dir != "" {
			err := os.WriteFile(dir+"/cgroup.freeze", []byte(frozen(still)), 0)
			switch {
			case err == nil:
				dirs = append(dirs, dir)
				return true
			case !still && !goneFile(err):
				stuck = errors.Join(stuck, err)
				return true
			}
		}
		if !may {
			left++
		}
		return !may
	}
	end := time.Now().Add(freezeTime)
	for rest = slices.DeleteFunc(rest, freeze); still && len(rest) > 0 && time.Now().Before(end); rest = slices.DeleteFunc(rest, freeze) {
		time.Sleep(endPause)
	}
	for still && time.Now().Before(end) && !allFrozen(dirs) {
		time.Sleep(endPause)
	}
	return len(dirs), left + len(rest), stuck
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

// branchOf gives the cgroup2 of the session that a process minds, "" if there is none; may is
// whether it may come to have one yet.
func branchOf(mounts string, h held) (dir string, may bool) {
	own, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.pid), "cgroup"))
	if err != nil {
		return "", false
	}
	if st, err := procfs.ReadStat(h.pid); err != nil || st.Start != h.start {
		return "", false // it was another's cgroup
	}
	above := cgroupAbove(mounts, string(own))
	if above == "" {
		return "", false
	}
	dir = filepath.Join(parted(above), branchName(h.pid, h.start))
	if _, err := os.Stat(dir + "/cgroup.freeze"); err != nil {
		return "", true
	}
	return dir, true
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
