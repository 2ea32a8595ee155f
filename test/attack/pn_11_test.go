package attack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// pn11 is the PAM service of the row.
const pn11 = "mwpn11"

// Carol may make panes on prod, which run as mallory. She wants one while that account has
// expired, where a module makes another account of it, and where one ends the process that asks
// PAM; and she has panes end as soon as they have begun, again and again, for one whose session is
// never closed, or is root's. In the control run it is not heard what PAM refuses. It runs by itself: the
// account has expired for everybody.
func TestPN11PAMOfPanes(t *testing.T) {
	tmuxtest.As(t, stranger) // skips where we are not root
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	module := host.Module(t, "testdata/pamuser.c")
	write := func(name, text string) {
		t.Helper()
		if err := tmuxtest.WriteProgram(notes+"/"+name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("log", "")
	write("count", "#!/bin/sh\necho $PAM_TYPE $PAM_USER $PAM_TTY >>"+notes+"/log\n")
	write("end", "#!/bin/sh\nkill -9 $PPID\n")
	stack := func(account, session string) {
		t.Helper()
		tmuxtest.PAM(t, pn11, "auth required pam_permit.so\n"+account+"account required pam_unix.so\n"+session+
			"session required pam_loginuid.so\nsession required pam_exec.so quiet "+notes+"/count\n")
	}
	stack("", "")
	settings := "isolated: {prod: {account: mwwork, run_as: mwmallory, pam: required, pam_service: " + pn11 + "}}\n"
	row{settings: settings, teeth: "teeth_session", people: isolatedPeople, grants: isolatedGrants,
		restless: true, unlogged: true, gains: 6, attack: func(w *world) {
			s := w.isolated()
			s.Run("set-option", "-g", "remain-on-exit", "on")
			ran := w.notes()
			exec := "pam_exec.so quiet " + notes + "/end\n"
			for i, c := range []struct {
				what, account, session string
				expired                bool
			}{
				{"the account has expired", "", "", true},
				{"a module makes root of it at account", "account required " + module + " account root\n", "", false},
				{"a module makes bob of it at setcred", "auth required " + module + " setcred mwbob\n", "", false},
				{"a module makes root of it at session", "", "session required " + module + " session root\n", false},
				{"a module ends the process at account", "account required " + exec, "", false},
				{"a module ends the process at session", "", "session required " + exec, false},
			} {
				stack(c.account, c.session)
				back := func() {}
				if c.expired {
					back = w.expire(stranger)
				}
				name := fmt.Sprintf("w%d", i)
				w.try(carol, "new-window", "-d", "-t", "prod/main", "-n", name, "id -un >"+ran+"/"+name)
				tmuxtest.Eventually(w.t, func() bool {
					return strings.TrimSpace(s.Run("list-panes", "-t", "main:"+name, "-F", "#{pane_dead}")) == "1"
				}, "%s: the pane has ended", c.what)
				back()
				if who := ranAs(ran, name); who != "" {
					w.gain("%s: it ran as %s", c.what, who)
				}
			}
			stack("", "")
			if w.control {
				return
			}
			// What was told behind the module that made another account of it is of that one: muxward
			// hears of it when the step is over.
			w.Must(carol, "kill-window", "-t", "prod/main:0") // its shell
			tmuxtest.Eventually(w.t, func() bool { o, c := pamSessions(notes); return o == c }, "all is closed: %s", ranAs(notes, "log"))
			write("log", "")
			base, baseOver := logins(w.t, stranger) // sessions of tests before may have been killed without an end
			// A pane that runs when the account expires goes on, and its session is closed once.
			w.Must(carol, "new-window", "-d", "-t", "prod/main", "-n", "expires", "cat")
			tmuxtest.Eventually(w.t, func() bool { o, c := pamSessions(notes); return o == 1 && c == 0 }, "a session is open: %s", ranAs(notes, "log"))
			back := w.expire(stranger)
			if dead := strings.TrimSpace(s.Run("list-panes", "-t", "main:expires", "-F", "#{pane_dead}")); dead != "0" {
				w.t.Errorf("it has ended: %q", dead)
			}
			s.Run("kill-window", "-t", "main:expires")
			tmuxtest.Eventually(w.t, func() bool { _, c := pamSessions(notes); return c > 0 }, "it is closed: %s", ranAs(notes, "log"))
			back()
			const panes, rounds = 4, 12
			for i := range panes {
				// It is one write: the panes run side by side.
				w.try(carol, "new-window", "-d", "-t", "prod/main", "-n", fmt.Sprintf("r%d", i), `printf '%s %s\n' "$(cat /proc/self/loginuid)" "$(id -u)" >>`+ran+"/uids")
			}
			for range rounds {
				for i := range panes {
					s.Run("respawn-pane", "-k", "-t", fmt.Sprintf("main:r%d", i), "true")
				}
			}
			uid := fmt.Sprint(tmuxtest.As(w.t, stranger).UID)
			tmuxtest.Eventually(w.t, func() bool { o, c := pamSessions(notes); return o == c && o > panes+1 }, "each session is closed once: %s", ranAs(notes, "log"))
			for line := range strings.Lines(ranAs(notes, "log")) {
				if f := strings.Fields(line); len(f) != 3 || f[1] != stranger {
					w.gain("PAM has opened %q", line)
				}
			}
			for id := range strings.FieldsSeq(ranAs(ran, "uids")) {
				if id != uid {
					w.gain("the uid of a pane is %s", id)
				}
			}
			o, _ := pamSessions(notes)
			begun, over := 0, 0
			if !w.soon(func() bool {
				begun, over = logins(w.t, stranger)
				return begun < 0 || begun-base == o && over-baseOver >= o
			}) {
				w.t.Errorf("wtmp has %d of %d sessions begin, and %d end", begun-base, o, over-baseOver)
			}
		}}.run(t)
}

// pamSessions gives how many sessions were opened, by what pam_exec has written, and closed.
func pamSessions(notes string) (opened, closed int) {
	log := ranAs(notes, "log")
	return strings.Count(log, "open_session"), strings.Count(log, "close_session")
}

// expire has an account have expired, as chage -E 0 does, until back is called. That one makes
// the file anew, which does not go where another lies over it.
func (w *world) expire(name string) (back func()) {
	w.t.Helper()
	const path = "/etc/shadow" // the tests' own copy lies over it
	old, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	lines := strings.SplitAfter(string(old), "\n")
	for i, line := range lines {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); f[0] == name && len(f) == 9 {
			f[7] = "0"
			lines[i] = strings.Join(f, ":") + "\n"
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		w.t.Fatal(err)
	}
	put := func() {
		if err := os.WriteFile(path, old, 0o600); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(put)
	return put
}

// logins gives how many sessions of an account the tests' wtmp has begin and end; -1 where there
// is none. Its records are utmp(5)'s.
func logins(t *testing.T, account string) (begun, over int) {
	t.Helper()
	data, err := os.ReadFile("/var/log/wtmp")
	if err != nil {
		return -1, -1
	}
	const line, user, host = 8, 44, 76
	size := 400
	if runtime.GOARCH == "amd64" {
		size = 384
	}
	last := map[string]bool{} // terminals that are ours
	for ; len(data) >= size; data = data[size:] {
		text := func(at, n int) string { return string(bytes.TrimRight(data[at:at+n], "\x00")) }
		switch kind := binary.NativeEndian.Uint16(data); {
		case kind == 7 && text(user, 32) == account && strings.HasPrefix(text(host, 256), "muxward:prod"):
			begun++
			last[text(line, 32)] = true
		case kind == 8 && last[text(line, 32)]:
			over++
			delete(last, text(line, 32))
		}
	}
	return begun, over
}
