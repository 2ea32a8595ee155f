package script

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// isolatedHost has prod, an isolated server that root holds every verb on.
func isolatedHost(t *testing.T, account string) *host.Host {
	t.Helper()
	h := host.Start(t, host.Config{Account: account,
		Settings: "isolated: {prod: {account: mwwork, run_as: mwcarol}}\n",
		Policy: map[string]string{
			"people.yaml": "people: {mwalice: {}, mwbob: {}, mwcarol: {}, mwmallory: {}, root: {uid: 0}}\nservers: {prod: {account: mwwork}}\n",
			"grants.yaml": "grants:\n  - {who: root, role: owner, on: \"*\", reason: runs it}\n  - {who: mwalice, role: operator, on: prod, reason: she runs it}\n",
		}})
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Alice, "ls").Out, "prod/main") }, "prod has its session")
	return h
}

// How the sessions of panes have ended is what tmux tells of the panes, each time.
func TestIsolatedStatus(t *testing.T) {
	t.Parallel()
	h := isolatedHost(t, "")
	h.Server("prod").Run("set-option", "-g", "remain-on-exit", "on")
	const panes = 24
	var want []string
	for i := range panes {
		command, told := fmt.Sprintf("exit %d", i), fmt.Sprintf("w%02d 1 %d", i, i)
		if i%4 == 3 {
			command = "kill -KILL $$"
			told = fmt.Sprintf("w%02d 1 ", i)
		}
		h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", fmt.Sprintf("w%02d", i), command)
		want = append(want, told)
	}
	s := h.Server("prod")
	tmuxtest.Eventually(t, func() bool {
		var ended []string
		for line := range strings.Lines(s.Run("list-panes", "-s", "-t", "main", "-F", "#{window_name} #{pane_dead} #{pane_dead_status}")) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "w") {
				ended = append(ended, line)
			}
		}
		return strings.Join(ended, "\n") == strings.Join(want, "\n")
	}, "each pane has ended as its session has")
}

// A server of alice's that an earlier muxward has left cannot be adopted. That is no reason for prod not to be
// started; it would be if prod's were that one.
func TestIsolatedBesideOneNotAdopted(t *testing.T) {
	t.Parallel()
	h := isolatedHost(t, "")
	h.Must(host.Alice, "new-session", "-d", "-s", "own", "cat")
	left := h.Server("mwalice").PID
	defer func() { _ = syscall.Kill(left, syscall.SIGKILL) }()
	prod := h.Server("prod").PID
	h.Kill()
	_ = syscall.Kill(prod, syscall.SIGKILL)
	records, err := filepath.Glob(h.Doors + "/run/servers/*.json")
	changed := 0
	for _, r := range records {
		text, err := os.ReadFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if more := strings.Replace(string(text), `"exe":"`, `"exe":"/not`, 1); strings.Contains(more, `"owner":"mwalice"`) && more != string(text) {
			changed++
			if err := os.WriteFile(r, []byte(more), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err != nil || changed != 1 {
		t.Fatalf("%d of %q are changed: %v", changed, records, err)
	}
	h.Run()
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Bob, "ls").Err+h.Output(), "is not adopted") }, "alice's is not adopted")
	tmuxtest.Eventually(t, func() bool {
		r := h.Muxward("", "ls")
		return strings.Contains(r.Out, "prod/main")
	}, "prod is started")
}

// Beside muxward-helper it is the same: its tmux and its panes are accounts' that muxward's
// own has no rights to. The helper is killed: the panes go on, and more are opened.
func TestIsolatedSeparated(t *testing.T) {
	t.Parallel()
	h := isolatedHost(t, host.Ward)
	if s := daemonOf(t, h); s.Mode != "separated" {
		t.Errorf("%+v", s)
	}
	server := h.Server("prod")
	account := func(pid string) string {
		info, err := os.Stat("/proc/" + pid)
		if err != nil {
			t.Fatal(err)
		}
		u, err := user.LookupId(fmt.Sprint(info.Sys().(*syscall.Stat_t).Uid))
		if err != nil {
			t.Fatal(err)
		}
		return u.Username
	}
	for _, pid := range []string{fmt.Sprint(server.PID), server.Run("display-message", "-p", "-t", "main", "#{pane_pid}")} {
		if who := account(pid); who != host.Work {
			t.Errorf("process %s is %s's", pid, who)
		}
	}
	shown := func(where, text string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-p", "-t", where).Out, text) }, text)
	}
	h.Must(host.Alice, "send-keys", "-t", "prod/main", "echo I-am-$(id -un)", "Enter")
	shown("prod/main", "I-am-mwcarol")
	_ = syscall.Kill(h.PID(), syscall.SIGKILL)
	h.Stopped()
	h.Run()
	if again := h.Server("prod"); again.PID != server.PID {
		t.Errorf("prod is process %d, and was %d", again.PID, server.PID)
	}
	h.Must(host.Alice, "new-window", "-d", "-t", "prod/main", "-n", "later", "echo later-$(id -un); exec cat")
	shown("prod/main:later", "later-mwcarol")
	shown("prod/main.0", "I-am-mwcarol")
	if r := h.Tmux(host.Mallory, "ls"); strings.Contains(r.Out, "prod") {
		t.Errorf("%+v", r)
	}
}

// What runs in a pane of an isolated server on a terminal of its own, or on none, is inside that pane too.
func TestIsolatedInside(t *testing.T) {
	t.Parallel()
	h := isolatedHost(t, "")
	h.Must(host.Carol, "new-session", "-d", "-s", "own", "exec cat")
	revoke := "MUXWARD_STATE=" + h.State + " " + h.Bin() + " revoke mwbob -t mwcarol/own --reason "
	h.Must(host.Alice, "new-window", "-d", "-t", "prod/main:1",
		"script -qec '"+revoke+"script' /dev/null; setsid -w env "+revoke+"setsid; script -qec 'setsid -w env "+revoke+"both' /dev/null; echo all-asked; exec cat")
	const young = 10 // that ask before it is known of their panes
	for i := range young {
		h.Must(host.Alice, "new-window", "-d", "-t", fmt.Sprintf("prod/main:%d", i+2), revoke+fmt.Sprintf("young%d; exec cat", i))
	}
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(h.Tmux(host.Alice, "capture-pane", "-p", "-t", "prod/main:1").Out, "all-asked")
	}, "all of it is asked")
	pane := strings.TrimSpace(h.Server("prod").Run("display-message", "-p", "-t", "main:1", "#{pane_id}"))
	events := h.Audit()
	for _, how := range []string{"script", "setsid", "both"} {
		if !slices.ContainsFunc(events, func(e host.Event) bool {
			return e.Kind == "denied" && e.Person == host.Carol && e.Inside == "prod/"+pane && slices.Contains(e.Asked, how)
		}) {
			t.Errorf("by %s it is not refused as from inside %s:\n%s", how, pane, h.Tmux(host.Alice, "capture-pane", "-p", "-t", "prod/main:1").Out)
		}
	}
	for i := range young {
		tmuxtest.Eventually(t, func() bool {
			return slices.ContainsFunc(h.Audit(), func(e host.Event) bool {
				return e.Kind == "denied" && strings.HasPrefix(e.Inside, "prod/") && slices.Contains(e.Asked, fmt.Sprintf("young%d", i))
			})
		}, fmt.Sprintf("number %d of the young is refused as from inside", i))
	}
	h.VerifyAudit()
}
