package pane

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The test's own program becomes sessions, as muxward-pane does.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == EnterArg {
		fmt.Fprintln(os.Stderr, Enter())
		os.Exit(1)
	}
	if len(os.Args) == 2 && (os.Args[1] == SuperviseArg || os.Args[1] == OpenArg) {
		err := Supervise()
		if os.Args[1] == OpenArg {
			err = Open(nil)
		}
		dumps, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		fmt.Println(dumps, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// What minds a session and what asks PAM for it know its command and its secrets: nobody reads
// those in a core file.
func TestNoDumps(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "sessions are opened by root")
		return
	}
	for _, arg := range []string{SuperviseArg, OpenArg} {
		if out, _ := exec.Command("/proc/self/exe", arg).Output(); len(out) == 0 || out[0] != '0' { // they have no line, and say so
			t.Errorf("%s: %q", arg, out)
		}
	}
}

// A session takes no terminal that is another session's; the control run is one that is
// nobody's.
func TestStealsNoTerminal(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "sessions are opened by root")
		return
	}
	for what, c := range map[string]struct {
		taken bool
		code  int
	}{"another's": {true, 1}, "nobody's": {false, 7}} {
		_, tty := terminal(t)
		victim := exec.Command("sleep", "1000")
		victim.Stdin = tty
		victim.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: c.taken}
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		s := &Session{UID: 65534, GID: 65534, Server: 1, Shell: "/bin/sh", Command: "exit 7", Dir: "/", TTYGroup: -1}
		self, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		defer self.Close()
		cmd, err := s.enter(self, tty, &branch{})
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its code is looked at
		if code := cmd.ProcessState.ExitCode(); code != c.code {
			t.Errorf("%s: exit code %d", what, code)
		}
		if st, err := procfs.ReadStat(victim.Process.Pid); err != nil || (st.TTY != 0) != c.taken {
			t.Errorf("%s: %+v, %v", what, st, err)
		}
		_ = victim.Process.Kill()
		_ = victim.Wait()
	}
}

// What cannot be run is told to whoever keeps the log, with its path, and not on the terminal.
func TestUnrunIsToldToTheLog(t *testing.T) {
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "sessions are opened by root")
		return
	}
	why, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer why.Close()
	master, tty := terminal(t)
	s := &Session{UID: 65534, GID: 65534, Server: 1, Shell: "/bin/sh", Argv: []string{"/none/secretplace"}, Dir: "/", TTYGroup: -1, why: says}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd, err := s.enter(self, tty, &branch{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = says.Close(), tty.Close() // they are the session's now
	_ = cmd.Wait()                   // its code does not matter
	log, err := io.ReadAll(why)
	if err != nil || !strings.Contains(string(log), "run /none/secretplace: no such file") {
		t.Errorf("the log is told %q, %v", log, err)
	}
	shown, _ := io.ReadAll(master) // which ends with an error when nobody has it any more
	if !strings.Contains(string(shown), errUnrun.Error()) || strings.Contains(string(shown), "secretplace") {
		t.Errorf("the terminal shows %q", shown)
	}
}

// terminal is one of this host that is nobody's yet.
func terminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return m, tty
}
