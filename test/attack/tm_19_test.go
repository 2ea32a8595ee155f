package attack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// trap is something that a tmux server runs, lets through or gives away without anybody asking
// for it, how it is set, and what muxward says of it.
type trap struct {
	set  []string
	told string
}

// traps are as many as there are kinds of them. What they run leaves a file in the canary.
func traps(canary, evil string) []trap {
	run := "touch " + canary + "/caught"
	return []trap{
		{[]string{"set", "-s", "set-clipboard", "on"}, "set-clipboard is on"},
		{[]string{"set", "-wg", "allow-passthrough", "on"}, "allow-passthrough is on"},
		{[]string{"set", "-g", "set-titles", "on"}, "set-titles is on"},
		{[]string{"set", "-wg", "allow-rename", "on"}, "allow-rename is on"},
		{[]string{"set", "-s", "command-alias[90]", "list-buffers=run-shell x"}, "takes the name of the command list-buffers"},
		{[]string{"server-access", "-a", stranger}, "server-access lists other accounts"},
		{[]string{"set-hook", "-g", "after-new-window", "run-shell true"}, "the hook after-new-window of every session runs"},
		{[]string{"set-hook", "-gw", "pane-exited[7]", "run-shell true"}, "the hook pane-exited of every window runs"},
		{[]string{"set-hook", "-t", "shared", "after-kill-pane", "kill-server"}, "the hook after-kill-pane of session $0 runs: kill-server"},
		{[]string{"set-hook", "-w", "-t", "shared", "window-renamed", "kill-server"}, "the hook window-renamed of window @0 runs: kill-server"},
		{[]string{"set-hook", "-p", "-t", "shared:0.0", "pane-died", "kill-server"}, "the hook pane-died of pane %0 runs: kill-server"},
		{[]string{"set", "-g", "default-command", "true; cat"}, "new panes run what default-command says (every session)"},
		{[]string{"set", "-t", "other", "default-command", "true; sh"}, "new panes run what default-command says (session $1)"},
		{[]string{"set", "-g", "default-shell", evil}, "default-shell is not one of the system's programs"},
		{[]string{"set", "-s", "editor", evil}, "editor is not one of the system's programs"},
		{[]string{"set", "-s", "copy-command", "cat > /dev/null"}, "what is copied is given to copy-command"},
		{[]string{"set", "-g", "lock-command", "cat"}, "lock-command is not tmux's own"},
		{[]string{"set", "-g", "status-left", "#(true left)"}, "the option status-left runs a program"},
		{[]string{"set", "-t", "shared", "status-right", "#(true right)"}, "the option status-right runs a program (session $0)"},
		{[]string{"set", "-g", "status-format[1]", "#(true format)"}, "the option status-format runs a program"},
		{[]string{"set", "-wg", "window-status-format", "#(true window)"}, "the option window-status-format runs a program"},
		{[]string{"set", "-w", "-t", "shared", "pane-border-format", "#(true border)"}, "the option pane-border-format runs a program (window @0)"},
		{[]string{"set", "-g", "set-titles-string", "#(true title)"}, "the option set-titles-string runs a program"},
		{[]string{"set", "-g", "@mine", "#(true mine)"}, "the option @mine runs a program"},
		{[]string{"set", "-g", "update-environment[40]", "LD_PRELOAD"}, "update-environment takes over what has programs load others"},
		{[]string{"set-environment", "-g", "LD_LIBRARY_PATH", filepath.Dir(evil)}, "new panes have LD_LIBRARY_PATH in their environment"},
		{[]string{"set-environment", "-t", "shared", "BASH_ENV", evil}, "new panes have BASH_ENV in their environment"},
		{[]string{"bind-key", "-n", "F12", "run-shell", run + "-f12"}, "the key F12 of the table root runs a program"},
		{[]string{"bind-key", "X", "if-shell", run + "-x", "display-message x"}, "the key X of the table prefix runs a program"},
		{[]string{"bind-key", "Y", "confirm-before", "-p", "sure?", "run-shell '" + run + "-y'"}, "the key Y of the table prefix runs a program"},
		{[]string{"bind-key", "-T", "copy-mode", "y", "send-keys", "-X", "copy-pipe", "cat"}, "the key y of the table copy-mode runs a program"},
		// Some that hide: in what a title says, and in the name of a table.
		{[]string{"set", "-wg", "pane-border-format", "#{E:pane_title}"}, "the option pane-border-format expands what others say once more"},
		{[]string{"bind-key", "-T", "a\nb", "x", "run-shell", "true"}, unreadKey},
	}
}

// unreadKey is said of a key that nothing can be told of, nor cleared.
const unreadKey = "a key cannot be read, and may run anything"

// Somebody who could act as the owner for a while, such as a program in a pane, has made her
// tmux server a trap, and a muxward that was killed adopts it: options, formats, keys and the environment that
// run programs when anybody does anything, hooks, aliases for muxward's own questions, an account
// on tmux's list, and a client of somebody's that stays. They want nobody to notice, and guests to
// walk into it. Each is listed at the adoption, however many others are set beside it, and what comes later is an alarm. The key
// that runs a program runs nothing for a guest, and the owner can have all of it taken away, which nobody else can. In the control runs, without the look at them,
// nothing is said of any but those that are looked at otherwise; and a guest who may do all that the owner may
// has the program run.
//
// It was seen to fail with the keys not read, with options read as they are printed, so that
// decoys came first, and with nothing done by a clearing.
func TestTM19HostileServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, build, grants string }{
		{"attack", "", bedGrants},
		{"control", "teeth_traps", everyVerb},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := lay(t, host.Config{Build: c.build, Policy: map[string]string{"grants.yaml": c.grants}})
			control := c.build != ""
			a := &adopted{bed: b, canary: tmuxtest.Dir(t, tmuxtest.As(t, owner)), told: map[string]bool{}}
			a.plant()
			b.Run()
			missing := a.listed(!control)
			if control && len(missing) < 19 {
				t.Errorf("without the look only %d are not listed: %q", len(missing), missing)
			} else if !control && len(missing) > 0 {
				t.Errorf("not listed: %q", missing)
			}
			b.kept()
			a.press(control)
			if !control {
				a.later()
				a.cleared()
				b.VerifyAudit()
			}
		})
	}
}

// adopted is a bed whose server has traps.
type adopted struct {
	*bed
	canary string
	all    []trap
	told   map[string]bool
}

// plant kills muxward and lays the traps.
func (a *adopted) plant() {
	a.t.Helper()
	evil := a.canary + "/evil"
	if err := tmuxtest.WriteProgram(evil, []byte("#!/bin/sh\nexec cat\n"), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Chmod(evil, 0o755); err != nil {
		a.t.Fatal(err)
	}
	v, err := tmux.ParseVersion(strings.TrimSpace(a.server.Run("display-message", "-p", "#{version}")))
	if err != nil {
		a.t.Fatal(err)
	}
	a.Kill()
	for _, x := range traps(a.canary, evil) {
		late := slices.Contains(x.set, "allow-passthrough") || x.set[0] == "server-access"
		if late && !v.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
			tmuxtest.Missing(a.t, "tmux %s has no %s", v, x.set)
			continue
		}
		a.server.Run(x.set...)
		a.all = append(a.all, x)
	}
	var decoys []string
	for n := range 150 { // tmux prints these before its own
		decoys = append(decoys, "set", "-g", fmt.Sprintf("@z%d", n), "#(true)", ";")
	}
	a.server.Run(decoys[:len(decoys)-1]...)
	stray := tmuxtest.As(a.t, owner).Command("tmux", "-S", a.server.Socket, "-C", "attach", "-t", "other")
	in, err := stray.StdinPipe()
	if err == nil {
		err = stray.Start()
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = in.Close()
		_ = stray.Wait() // it says that it is detached
	})
	a.all = append(a.all, trap{nil, "a client that is not muxward's is attached"})
}

// listed gives those that the log does not tell of, once a look at all is over; it waits for all of them if it is to.
func (a *adopted) listed(wait bool) (missing []string) {
	a.t.Helper()
	look := func() bool {
		missing = nil
		notes := a.notes()
		for _, x := range a.all {
			if !strings.Contains(notes, x.told) {
				missing = append(missing, x.told)
			}
		}
		return len(missing) == 0 || !wait && strings.Contains(notes, a.all[len(a.all)-1].told)
	}
	within(tmuxtest.Patience, look)
	return missing
}

// notes is all that the log says of servers.
func (a *adopted) notes() string {
	var all []string
	for _, e := range slices.Concat(a.AuditKind("server"), a.AuditKind("alarm")) {
		all = append(all, e.Note)
	}
	return strings.Join(all, "\n")
}

// press has a guest press the keys.
func (a *adopted) press(control bool) {
	a.t.Helper()
	c := a.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared:0.0")
	c.WaitFor("recording")
	c.Type("\x02X")
	c.Type("\x02Yy")
	c.Type("\x1b[24~") // F12
	c.Type("sees-this")
	caught := func() bool {
		found, _ := filepath.Glob(a.canary + "/caught*")
		return len(found) > 0
	}
	if control {
		tmuxtest.Eventually(a.t, caught, "with every verb the key runs the program")
		return
	}
	a.arrived("sees-this") // all before it has been answered
	if caught() {
		a.t.Error("a guest's key has run a program")
	}
	leave(c)
}

// later sets more traps once what is there counts as the server's configuration.
func (a *adopted) later() {
	a.t.Helper()
	tmuxtest.Eventually(a.t, func() bool { return strings.Contains(a.notes(), "is its configuration") }, "what there is counts as its configuration")
	o := a.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
	o.WaitFor("recording")
	for _, x := range []trap{
		{[]string{"set", "-t", "shared", "destroy-unattached", "on"}, "destroy-unattached ends sessions"},
		{[]string{"set", "-g", "default-command", "sh"}, "new panes run what default-command says (every session): sh"},
		{[]string{"bind-key", "Z", "new-window", "htop"}, "the key Z of the table prefix runs a program (keys): new-window htop"},
		{[]string{"set-environment", "-g", "LD_AUDIT", "/x"}, "new panes have LD_AUDIT in their environment"},
		{[]string{"set", "-p", "-t", "shared:0.0", "@later", "#(later)"}, "the option @later runs a program (pane %0)"},
		{[]string{"set-hook", "-g", "client-attached", "run-shell true"}, "the hook client-attached of every session runs"},
	} {
		a.server.Run(x.set...)
		a.alarmed(x.told)
	}
	a.server.Run("set", "-u", "-t", "shared", "destroy-unattached")
	leave(o)
}

// risks asks what there is, and gives it and the exit code.
func (a *adopted) risks(args ...string) (all map[string]string, exit int) {
	a.t.Helper()
	r := a.Muxward(owner, append([]string{"risks", "--json"}, args...)...)
	var l struct {
		Risks []struct{ Text, Cleared string }
	}
	if err := json.Unmarshal([]byte(r.Out), &l); err != nil {
		a.t.Fatalf("%v: %+v", err, r)
	}
	all = map[string]string{}
	for _, x := range l.Risks {
		all[x.Text] = x.Cleared
	}
	return all, r.Code
}

// cleared has the owner take all of it away. The control run is her own key before that.
func (a *adopted) cleared() {
	a.t.Helper()
	caught := func() bool {
		found, _ := filepath.Glob(a.canary + "/caught*")
		return len(found) > 0
	}
	o := a.Terminal(owner, tmuxtest.TerminalConfig{}, "attach", "-t", "shared")
	o.WaitFor("recording")
	o.Type("\x1b[24~") // F12
	tmuxtest.Eventually(a.t, caught, "the owner's own key runs it")
	if err := os.Remove(a.canary + "/caught-f12"); err != nil {
		a.t.Fatal(err)
	}
	for _, who := range []string{typist, stranger} {
		for _, args := range [][]string{{"risks", "-t", owner}, {"risks", "-t", owner, "--clear-all"}} {
			if r := a.Muxward(who, args...); r.Code == 0 || strings.Contains(r.Out+r.Err, "F12") {
				a.t.Errorf("%s is told: %+v", who, r)
			}
		}
	}
	listed, _ := a.risks()
	for _, x := range a.all {
		found := false
		for text := range listed {
			found = found || strings.Contains(text, x.told)
		}
		if !found {
			a.t.Errorf("muxward risks does not list: %s", x.told)
		}
	}
	if _, exit := a.risks("--clear-all"); exit != 1 {
		a.t.Errorf("the exit code is %d, and one cannot be cleared", exit)
	}
	// More than a hundred of a place are cleared when they are named.
	for range 3 {
		listed, _ = a.risks("--clear-all")
	}
	for text, cleared := range listed {
		if cleared != "yes" && !strings.HasPrefix(text, unreadKey) {
			a.t.Errorf("it is still there: %s", text)
		}
	}
	o.Type("\x1b[24~")
	o.Type("her-key")
	a.arrived("her-key")
	if caught() {
		a.t.Error("the key still runs the program")
	}
	if !strings.Contains(a.notes(), "cleared on the tmux server of "+owner) {
		a.t.Error("the log does not tell what was cleared")
	}
	leave(o)
}
