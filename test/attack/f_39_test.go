package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// lacking names system calls that a process is to have none of.
const lacking = "MUXWARD_TEST_LACKING"

// becomeLacking has this process become muxward doctor on a kernel that lacks things: a
// seccomp filter answers ENOSYS for it.
func becomeLacking() {
	if os.Getenv(lacking) == "" {
		return
	}
	runtime.LockOSThread()
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number
	for _, nr := range []uint32{unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_PIDFD_OPEN, unix.SYS_OPENAT2} {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: nr},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(unix.ENOSYS)})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	}
	if err == nil {
		err = unix.Exec(os.Getenv(lacking), []string{"muxward", "doctor", "--json"}, []string{"PATH=" + os.Getenv("PATH"), "MUXWARD_STATE=/nonexistent"})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}

// What a filter answers (linux/seccomp.h).
const (
	seccompErrno = 0x00050000
	seccompAllow = 0x7fff0000
)

// A kernel, or a container, lacks what promises rest on: doctor names each promise that is
// gone. In the control run it lacks nothing, and none is.
func TestF39Kernel(t *testing.T) {
	bin := host.Build(t, "")
	ids := []string{"MW-K001", "MW-K002", "MW-K004"}
	type told struct {
		Controls []struct{ ID, Outcome, Lost string }
	}
	look := func(cmd *exec.Cmd) map[string]string {
		t.Helper()
		out, _ := cmd.Output() // it is 1 in any case: no muxward serves there
		var got told
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lost := map[string]string{}
		for _, c := range got.Controls {
			if c.Outcome == "broken" {
				lost[c.ID] = c.Lost
			}
		}
		return lost
	}
	whole := exec.CommandContext(t.Context(), bin, "doctor", "--json")
	whole.Env = append(os.Environ(), "MUXWARD_STATE=/nonexistent")
	has := look(whole)
	for _, id := range ids {
		if has[id] != "" {
			tmuxtest.Skip(t, "this kernel lacks %s anyway", id)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	less := exec.CommandContext(t.Context(), self)
	less.Env = append(os.Environ(), lacking+"="+bin)
	lost := look(less)
	for id, want := range map[string]string{"MW-K001": "can open files", "MW-K002": "not at once", "MW-K004": "do not run"} {
		if !strings.Contains(lost[id], want) {
			t.Errorf("%s: it says %q, want %q", id, lost[id], want)
		}
	}
}
