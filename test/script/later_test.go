package script

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// add appends to a file of accounts, of which the tests' own copy lies over the real one.
func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was, err := f.Stat()
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Truncate(path, was.Size()); err != nil {
			t.Error(err)
		}
	})
}

// An account that is made while muxward runs, in a group that the configuration lists, has a
// door by itself, and plain tmux comes by it. One that may not log in has none. It is not
// parallel: the others have the same account files.
func TestDoorOfLaterAccount(t *testing.T) {
	for what, account := range map[string]string{"as root": "", "beside muxward-helper": host.Ward} {
		t.Run(what, func(t *testing.T) {
			h := host.Prepare(t, host.Config{Account: account, Policy: map[string]string{"people.yaml": "people: {mwalice: {}, mwlater: {}}\n"}})
			text, err := os.ReadFile(h.Base + "/muxward.yaml")
			if err == nil {
				err = os.WriteFile(h.Base+"/muxward.yaml", []byte(strings.Replace(string(text), "accounts: [", "accounts: ['@mwlaters', ", 1)), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Run()
			add(t, "/etc/group", "mwlaters:x:61052:mwlater,mwnologin\n")
			add(t, "/etc/passwd", "mwlater:x:61050:61050::/:/bin/sh\nmwnologin:x:61051:61051::/:/usr/sbin/nologin\nmwothers:x:61053:61053::/:/bin/sh\n")
			tmuxtest.Eventually(t, func() bool {
				_, err := os.Stat(h.Doors + "/tmux-61050/default")
				return err == nil
			}, "the new account has a door")
			cmd := exec.Command("tmux", "new-session", "-d", "-s", "mine", ";", "list-sessions")
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "TMUX_TMPDIR=" + h.Doors, "TERM=xterm"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61050, Gid: 61050}}
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "mine: 1 windows") {
				t.Errorf("%s, %v", out, err)
			}
			for uid, why := range map[string]string{"61051": "may not log in", "61053": "is not in the group"} {
				if _, err := os.Stat(h.Doors + "/tmux-" + uid); err == nil {
					t.Errorf("an account that %s has a door", why)
				}
			}
		})
	}
}
