package pam

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// roleVar has the test binary be a muxward-pam whose modules do what it says.
const roleVar = "MUXWARD_PAM_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(play(role))
	}
	os.Exit(tmuxtest.Main(m))
}

// program gives a program that plays a role. It has no environment of its own to be told
// by, so it is a script.
func program(t *testing.T, role string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "muxward-pam")
	if err := tmuxtest.WriteProgram(path, fmt.Appendf(nil, "#!/bin/sh\n%s='%s' exec '%s'\n", roleVar, role, self), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// modules is a stack that does what a role says.
type modules struct {
	role string
	r    Request
	say  Converse
}

// pause does nothing, for good.
func pause() {
	for {
		_ = unix.Pause() // signals of the runtime end it
	}
}

func play(role string) int {
	line := os.NewFile(LineFD, "line")
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 9
	}
	switch role {
	case "garbage":
		_, _ = line.Write([]byte(strings.Repeat("\xff", 100)))
		pause()
	case "other version":
		_ = writeFrame(line, numHello, map[string]any{"version": version + 1, "and": "more"})
		pause()
	}
	err := Serve(line, func(r Request, say Converse) (Transaction, error) {
		return &modules{role: role, r: r, say: say}, nil
	})
	if err != nil {
		return 1
	}
	return 0
}

func (m *modules) Authenticate() error {
	switch m.role {
	case "hang":
		pause()
	case "exit":
		os.Exit(0)
	case "crash":
		_ = unix.Kill(os.Getpid(), unix.SIGSEGV)
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		pause()
	case "permits":
		return nil
	case "permits what is seen":
		_, err := m.say(Shown, "Code: ")
		return err
	case "prompts":
		for {
			if _, err := m.say(Shown, "again? "); err != nil {
				return err
			}
		}
	case "texts":
		for {
			if _, err := m.say(Info, "and "); err != nil {
				return err
			}
		}
	case "binary":
		_, err := m.say("", "x")
		return err
	case "stray", "stray exits":
		return m.stray()
	}
	_, _ = m.say(Info, "hello "+m.r.Account+" from "+m.r.From)
	word, err := m.say(Hidden, "Password: ")
	if err != nil {
		return err
	}
	code, err := m.say(Shown, "Code: ")
	if err != nil {
		return err
	}
	if m.role == "permits anything" {
		return nil
	}
	if word != "open sesame" || code != "123 \xff" {
		return errors.New("authentication failure")
	}
	return nil
}

// stray starts two programs that leave this process: one that stays in the session, and
// one that has a session of its own and no parent. It asks with their numbers.
func (m *modules) stray() error {
	var pids []string
	for _, line := range []string{"sleep 300 >/dev/null 2>&1 & echo $!", "setsid sleep 300 >/dev/null 2>&1 & echo $!"} {
		cmd := exec.Command("sh", "-c", line)
		if strings.HasPrefix(line, "sleep") {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		}
		out, err := cmd.Output()
		if err != nil {
			return err
		}
		pids = append(pids, strings.TrimSpace(string(out)))
	}
	_, err := m.say(Shown, strings.Join(pids, " "))
	if m.role == "stray exits" {
		os.Exit(0)
	}
	return err
}

func (m *modules) Account() (bool, error) {
	if m.role == "locked" {
		_, _ = m.say(Wrong, "locked")
		return false, errors.New("account expired")
	}
	return m.role == "expired", nil
}

func (m *modules) Change() error {
	if word, err := m.say(Hidden, "New password: "); err != nil || word == "" {
		return errors.Join(err, errors.New("not changed"))
	}
	return nil
}

func (m *modules) User() (string, error) {
	if m.role == "changed" {
		return "root", nil
	}
	return m.r.Account, nil
}

func (m *modules) End() error { return nil }
