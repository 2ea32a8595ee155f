package attack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// lacking has this program become another one, and lackingCalls says with which error, by numbers, which system
// calls that is answered.
const (
	lacking      = "MUXWARD_TEST_LACKING"
	lackingCalls = "MUXWARD_TEST_LACKING_CALLS"
)

// onLacking has a command run on a kernel that answers system calls by an error.
func onLacking(t *testing.T, cmd *exec.Cmd, errno unix.Errno, calls ...uint32) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, lacking+"="+cmd.Path, lackingCalls+"="+fmt.Sprint(uint32(errno))+" "+strings.Trim(fmt.Sprint(calls), "[]"))
	cmd.Path = self
}

// becomeLacking has this process become a program on a kernel that lacks things: a seccomp filter
// answers ENOSYS for it.
func becomeLacking() {
	program := os.Getenv(lacking)
	if program == "" {
		return
	}
	runtime.LockOSThread()
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number
	errno := uint32(0)
	for i, word := range strings.Fields(os.Getenv(lackingCalls)) {
		nr, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
		if i == 0 {
			errno = uint32(nr)
			continue
		}
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(nr)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | errno})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow})
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err := errors.Join(os.Unsetenv(lacking), os.Unsetenv(lackingCalls), unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	if err == nil {
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
	}
	if err == nil {
		err = unix.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
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
	less := exec.CommandContext(t.Context(), bin, "doctor", "--json")
	less.Env = whole.Env
	onLacking(t, less, unix.ENOSYS, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_PIDFD_OPEN, unix.SYS_OPENAT2)
	lost := look(less)
	for id, want := range map[string]string{"MW-K001": "can open files", "MW-K002": "not at once", "MW-K004": "do not run"} {
		if !strings.Contains(lost[id], want) {
			t.Errorf("%s: it says %q, want %q", id, lost[id], want)
		}
	}
}

// A kernel has no Landlock, or a container keeps muxward from it, by which muxward gives up files where it runs as
// an account: it does not start there. The control run is a configuration that says to go on without, which is
// told at each start; and that the same starts where nothing is lacking all the other rows see.
func TestF39WithoutLandlock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings, want string
		errno          unix.Errno
	}{
		{"", "say without_landlock: true", unix.ENOSYS},
		{"", "say without_landlock: true", unix.EPERM},
		{"without_landlock: true\n", "by without_landlock muxward goes on", unix.EPERM},
	} {
		h := host.Prepare(t, host.Config{Account: host.Ward, Settings: c.settings, Change: func(cmd *exec.Cmd) {
			onLacking(t, cmd, c.errno, unix.SYS_LANDLOCK_CREATE_RULESET)
		}})
		err := h.TryRun()
		if c.settings == "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: it starts, or does not say what to do: %v", c.errno, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), c.want) }, "it is told")
		if r := h.Muxward("root", "status", "--sandbox"); !strings.Contains(r.Out, "Landlock, version 0") {
			t.Errorf("%+v", r)
		}
	}
}
