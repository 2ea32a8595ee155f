package script

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// paneHost has prod, an isolated server in whose panes PAM has a word, by a stack of the
// test's own.
func paneHost(t *testing.T, account, service, stack, more string) *host.Host {
	t.Helper()
	tmuxtest.PAM(t, service, stack)
	h := host.Start(t, host.Config{Account: account,
		Settings: "isolated: {prod: {account: mwwork, run_as: mwcarol, pam: required, pam_service: " + service + more + "}}\n",
		Policy: map[string]string{
			"people.yaml": "people: {mwalice: {}, mwbob: {}, mwcarol: {}, mwmallory: {}, root: {uid: 0}}\nservers: {prod: {account: mwwork}}\n",
			"grants.yaml": "grants:\n  - {who: root, role: owner, on: \"*\", reason: runs it}\n  - {who: mwalice, role: operator, on: prod, reason: she runs it}\n",
		}})
	return h
}

// counter writes the script that pam_exec runs.
func counter(t *testing.T, notes string) {
	t.Helper()
	if err := tmuxtest.WriteProgram(notes+"/count", []byte("#!/bin/sh\necho $PAM_TYPE $PAM_TTY $PAM_USER $PPID >>"+notes+"/log\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// sessions gives how often sessions were opened and closed.
func sessions(notes string) (opened, closed int) {
	log, _ := os.ReadFile(notes + "/log") // nothing yet is none
	return strings.Count(string(log), "open_session"), strings.Count(string(log), "close_session")
}

// closedOnce waits until whoever has asked PAM for sessions has ended, and sees that each has opened
// one and closed it.
func closedOnce(t *testing.T, notes string) {
	t.Helper()
	of := map[int][]string{}
	read := func() map[int][]string {
		log, err := os.ReadFile(notes + "/log")
		if err != nil {
			t.Fatal(err)
		}
		clear(of)
		for line := range strings.Lines(string(log)) {
			var kind, tty, user string
			var pid int
			if _, err := fmt.Sscan(line, &kind, &tty, &user, &pid); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if strings.HasSuffix(kind, "_session") {
				of[pid] = append(of[pid], kind)
			}
		}
		return of
	}
	tmuxtest.Eventually(t, func() bool {
		for pid := range read() {
			if st, err := procfs.ReadStat(pid); err == nil && !st.Ended() && st.Comm == "muxward-pam" {
				return false
			}
		}
		return true
	}, "nobody asks PAM any more")
	for pid, did := range read() {
		if !slices.Equal(did, []string{"open_session", "close_session"}) {
			t.Errorf("process %d: %q", pid, did)
		}
	}
}

const paneStack = `auth required pam_permit.so
account required pam_unix.so
session required pam_loginuid.so
session required pam_limits.so conf=$BASE/limits
session required pam_env.so conffile=$BASE/env readenv=0
session required pam_unix.so
session required pam_exec.so quiet $BASE/count
`

// The programs of a pane have what the modules of PAM give: limits, the audit session and
// variables, but none by which programs are loaded; and each session is closed once, also
// if the helper is killed meanwhile, or tmux.
func TestPaneSessions(t *testing.T) {
	t.Parallel()
	for name, account := range map[string]string{"root": "", "separated": host.Ward} {
		t.Run(name, func(t *testing.T) {
			notes := tmuxtest.Dir(t, tmuxtest.Account{})
			counter(t, notes)
			for file, text := range map[string]string{"limits": "mwcarol hard nofile 777\nmwcarol hard core 0\nmwcarol - stack 4096\n",
				"env": "FROM_PAM DEFAULT=given\nLD_PRELOAD DEFAULT=/tmp/x.so\nTMUX DEFAULT=other\nHOME DEFAULT=/elsewhere\n"} {
				if err := os.WriteFile(notes+"/"+file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			h := paneHost(t, account, "mwpane-"+name, strings.ReplaceAll(paneStack, "$BASE", notes), "")
			tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Alice, "ls").Out, "prod/main") }, "prod has its session")
			h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", "w",
				"echo L$(ulimit -Hn)-$(ulimit -Ss)-$FROM_PAM-x$LD_PRELOAD-$HOME-$(cat /proc/self/loginuid)-$(id -u)-$(id -un); env | grep ^TMUX=; exec cat")
			uid := tmuxtest.As(t, host.Carol).UID
			want := fmt.Sprintf("L777-4096-given-x-%s-%d-%d-mwcarol", tmuxtest.As(t, host.Carol).Home, uid, uid)
			tmuxtest.Eventually(t, func() bool {
				return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-pJ", "-t", "prod/main:w").Out, want)
			}, "%s; it is %s", want, h.Tmux(host.Alice, "capture-pane", "-pJ", "-t", "prod/main:w").Out)
			for range 20 {
				h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "true")
			}
			tmuxtest.Eventually(t, func() bool { o, c := sessions(notes); return o == 22 && c == 20 }, "those that end at once are closed")
			server := h.Server("prod")
			_ = syscall.Kill(h.PID(), syscall.SIGKILL)
			h.Stopped()
			_ = syscall.Kill(server.PID, syscall.SIGKILL)
			tmuxtest.Eventually(t, func() bool { o, c := sessions(notes); return o == 22 && c == 22 }, "each is closed")
			closedOnce(t, notes)
		})
	}
}

// What PAM does not let in, or does not answer, or whose process ends, has no pane: its program
// does not run.
func TestPaneRefused(t *testing.T) {
	t.Parallel()
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	counter(t, notes)
	ran := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Chmod(ran, 0o777); err != nil {
		t.Fatal(err)
	}
	script := func(name, text string) {
		t.Helper()
		if err := tmuxtest.WriteProgram(notes+"/"+name+".new", []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(notes+"/"+name+".new", notes+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	script("session", "exec "+notes+"/count")
	script("account", "exit 0")
	h := paneHost(t, "", "mwpane-refused", strings.ReplaceAll("auth required pam_permit.so\naccount required pam_unix.so\n"+
		"account required pam_exec.so quiet $BASE/account\nsession required pam_exec.so quiet $BASE/session\n", "$BASE", notes), ", pam_wait: 5s")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Alice, "ls").Out, "prod/main") }, "prod has its session")
	tmuxtest.Eventually(t, func() bool { o, _ := sessions(notes); return o == 1 }, "its first pane is let in")
	s := h.Server("prod")
	s.Run("set-option", "-g", "remain-on-exit", "on")
	// A signal may reach a thread that has to wake up first: until then the step does not end.
	for i, c := range []struct{ file, does, told string }{
		{"account", "exit 1", "the account has no session now"},
		{"account", "kill -9 $PPID", "has ended by itself"},
		{"account", "sleep 1000", "has said nothing for too long"},
		{"account", "sleep 1000", "PAM is asked for a session, which may take"},
		{"session", "exit 1", "no session is opened"},
		{"session", "kill -SEGV $PPID; exec sleep 1000", "has ended by itself, or was ended by a module (session); what was opened by then may not be closed"},
		{"session", "sleep 1000", "has said nothing for too long (session); what was opened by then may not be closed"},
	} {
		script(c.file, c.does)
		name := fmt.Sprintf("r%d", i)
		h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", name, "touch "+ran+"/"+name)
		tmuxtest.Eventually(t, func() bool {
			return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-pJ", "-S", "-", "-t", "prod/main:"+name).Out, c.told)
		}, "%s: %s", c.does, c.told)
		tmuxtest.Eventually(t, func() bool {
			// That it takes long is for the pane alone.
			return strings.HasPrefix(c.told, "PAM is asked") || strings.Contains(fmt.Sprintf("%+v", h.Audit()), c.told)
		}, "muxward's log has %s: %+v", c.told, h.Audit())
		script("account", "exit 0")
		script("session", "exec "+notes+"/count")
	}
	if o, _ := sessions(notes); o != 1 {
		t.Errorf("%d sessions", o)
	}
	h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "touch "+ran+"/in") // who is let in can write there
	var names []string
	tmuxtest.Eventually(t, func() bool {
		names = nil
		files, err := os.ReadDir(ran)
		for _, f := range files {
			names = append(names, f.Name())
		}
		return err == nil && slices.Contains(names, "in")
	}, "the program of who is let in runs")
	if len(names) != 1 {
		t.Errorf("programs of refused panes have run: %q", names)
	}
}

// Panes of session profiles have PAM sessions where this host has the service: what is read of
// profiles again changes nothing of that, nor of what other isolated servers have. It runs by
// itself: the service is that of every muxward.
func TestProfileSessions(t *testing.T) {
	const service = "/etc/pam.d/muxward"
	if _, err := os.Stat(service); err == nil {
		tmuxtest.Skip(t, "needs a host whose PAM has no service muxward: it gets one of the test's")
	}
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	counter(t, notes)
	limits := notes + "/limits"
	if err := os.WriteFile(limits, []byte("mwcarol hard nofile 777\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	stack := "account required pam_permit.so\nsession required pam_limits.so conf=" + limits + "\nsession required pam_exec.so quiet " + notes + "/count\n"
	tmuxtest.PAM(t, "muxward", stack)
	t.Cleanup(func() { _ = os.Remove(service) })
	tmuxtest.PAM(t, "mwpane-beside", stack)
	h := host.Start(t, host.Config{
		Settings: "isolated: {prod: {account: mail, run_as: mwcarol, pam: off, pam_service: mwpane-beside}}\n",
		Profiles: "profiles:\n  db: {command: [/bin/sh, -c, 'echo N$(ulimit -Hn); exec cat'], account: mwwork, run_as: mwcarol, who: [mwalice]}\n",
		Policy: map[string]string{
			"people.yaml": "people: {mwalice: {}, mwbob: {}, mwcarol: {}, mwmallory: {}, root: {uid: 0}}\nservers: {prod: {account: mail}}\n",
			"grants.yaml": "grants:\n  - {who: root, role: owner, on: \"*\", reason: runs it}\n",
		}})
	tmuxtest.Eventually(t, func() bool { return h.Tmux("root", "has-session", "-t", "prod/main").Code == 0 }, "prod has its session")
	h.Reload("grants.yaml", "grants:\n  - {who: root, role: owner, on: \"*\", reason: keeps it}\n")
	h.Must(host.Alice, "new-session", "-d", "-t", "db")
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-p", "-t", "db").Out, "N777")
	}, "the profile's program has the limits of PAM: %s", h.Tmux(host.Alice, "capture-pane", "-p", "-t", "db").Out)
	if out := h.Muxward("", "status").Out; !strings.Contains(out, "panes of db: PAM sessions by the service muxward\n") || !strings.Contains(out, "panes of prod: no PAM sessions\n") {
		t.Error(out)
	}
	h.Must(host.Alice, "kill-session", "-t", "db")
	tmuxtest.Eventually(t, func() bool { o, c := sessions(notes); return o == 1 && c == 1 }, "its session is closed, and prod had none")
}

// What minds a session is killed, or what asks PAM for it, by the service that comes with muxward: the
// pane ends and all that runs in it; in the one case the session is closed by who is left, in the
// other it is not, and either is told.
func TestPaneKilled(t *testing.T) {
	t.Parallel()
	stack, err := os.ReadFile("../../packaging/pam.d/muxward")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"pam_access", "pam_faillock", "pam_loginuid", "pam_nologin"} {
		if _, err := os.Stat("/etc/pam.d/common-session"); err != nil || !tmuxtest.PAMModule(m) {
			tmuxtest.Skip(t, "needs Debian's common stacks of PAM, and %s", m)
		}
	}
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	counter(t, notes)
	ran := tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Chmod(ran, 0o777); err != nil {
		t.Fatal(err)
	}
	h := paneHost(t, "", "mwpane-killed", string(stack)+"session required pam_exec.so quiet "+notes+"/count\n", "")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Alice, "ls").Out, "prod/main") }, "prod has its session")
	tmuxtest.Eventually(t, func() bool { o, _ := sessions(notes); return o == 1 }, "its first pane is let in")
	s := h.Server("prod")
	for i, c := range []struct {
		up     int // from the pane's first program
		closed int // sessions, when the pane has ended
		told   string
	}{{1, 0, "was not closed as it has to be"}, {2, 1, "was killed by signal 9"}} {
		name := fmt.Sprintf("k%d", i)
		h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", name, "echo $$ >"+ran+"/"+name+"; sleep 1000 & cat")
		pid, first := 0, 0
		tmuxtest.Eventually(t, func() bool {
			data, _ := os.ReadFile(ran + "/" + name) // not yet
			_, err := fmt.Sscan(string(data), &first)
			return err == nil
		}, "it runs")
		pid = first
		for range c.up {
			st, err := procfs.ReadStat(pid)
			if err != nil || st.PPID <= 1 {
				t.Fatalf("%+v, %v", st, err)
			}
			pid = st.PPID
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool { return !strings.Contains(s.Run("list-windows", "-a", "-F", "#{window_name},"), name+",") }, "the pane ends")
		tmuxtest.Eventually(t, func() bool { st, err := procfs.ReadStat(first); return err != nil || st.Ended() }, "its program ends")
		tmuxtest.Eventually(t, func() bool { _, closed := sessions(notes); return closed == c.closed }, "%d sessions are closed", c.closed)
		tmuxtest.Eventually(t, func() bool { return strings.Contains(fmt.Sprintf("%+v", h.Audit()), c.told) }, "the log has %s", c.told)
	}
}

// PAM hears who asks for a pane; and what its modules have begun lives until they have closed the
// session, also where the pane is closed by force.
func TestPaneModules(t *testing.T) {
	t.Parallel()
	notes := tmuxtest.Dir(t, tmuxtest.Account{})
	script := `#!/bin/sh
case $PAM_TYPE in
open_session)
	sleep 1000 </dev/null >/dev/null 2>&1 &
	echo $! >` + notes + `/kept$PPID ;;
close_session)
	kill -0 $(cat ` + notes + `/kept$PPID) && lives=lives ;;
esac
echo $PAM_TYPE $PAM_RUSER $lives $PAM_RHOST >>` + notes + `/log
`
	if err := tmuxtest.WriteProgram(notes+"/module", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h := paneHost(t, "", "mwpane-modules", "account required pam_permit.so\nauth required pam_permit.so\nsession required pam_exec.so quiet "+notes+"/module\n", ", people_as_themselves: [mwbob]")
	logged := func(line string, n int) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool {
			log, _ := os.ReadFile(notes + "/log") // nothing yet is none
			return strings.Count(string(log), line+"\n") == n
		}, "%q is logged %d times", line, n)
	}
	logged("open_session mwwork", 1)
	h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", "w", "trap '' HUP; sleep 1000 & exec sleep 1000")
	logged("open_session mwalice", 1)
	h.Must(host.Alice, "kill-window", "-t", "prod/main:w")
	logged("close_session mwalice lives", 1)
	kept, err := filepath.Glob(notes + "/kept*")
	if err != nil || len(kept) != 2 {
		t.Fatalf("%q, %v", kept, err)
	}
	over := 0
	tmuxtest.Eventually(t, func() bool {
		over = 0
		for _, path := range kept {
			var pid int
			text, _ := os.ReadFile(path)
			if _, err := fmt.Sscan(string(text), &pid); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if st, err := procfs.ReadStat(pid); err != nil || st.Ended() {
				over++
			}
		}
		return over == 1
	}, "behind that it is ended, and that of the other pane goes on: %d have ended", over)
}
