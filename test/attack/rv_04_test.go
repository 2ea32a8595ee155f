package attack

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// trusted lets bob do on alice's server nearly all that she may, and carol read in one
// of her sessions what was done.
const trusted = standardGrants + `  - {who: mwbob, verbs: [view, scroll, copy, type, navigate, layout, spawn, configure, execute], on: mwalice, reason: helps}
  - {who: mwcarol, verbs: [view, audit], on: mwalice/shared, reason: reads}
`

// leftBehind is what `muxward left-behind --json` tells.
type leftBehind struct {
	Complete bool
	Notes    []string
	Panes    []struct {
		Sure                     bool
		Pane, Name, Note, Hangup string
	}
	Acts []act
}

// act is what he asked for beside panes.
type act struct{ Kind, By, On, Note string }

// sure are the panes that are told of as surely somebody's.
func (l leftBehind) sure() (ids []string) {
	for _, p := range l.Panes {
		if p.Sure {
			ids = append(ids, strings.TrimPrefix(p.Pane, owner+"/"))
		}
	}
	slices.Sort(ids)
	return ids
}

// leftBy asks what bob has left.
func (w *world) leftBy(who string, args ...string) (l leftBehind, r host.Result) {
	w.t.Helper()
	r = w.Muxward(who, append([]string{"left-behind", viewer, "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.Out), &l); err != nil && r.Out != "" {
		w.t.Fatalf("%s: left-behind %q: %v %+v", who, args, err, r)
	}
	return l, r
}

// running gives the panes in which a program was begun whose arguments fit.
func (w *world) running(program string) (ids []string) {
	w.t.Helper()
	fits := regexp.MustCompile(program)
	for line := range strings.Lines(w.server.Run("list-panes", "-a", "-F", "#{pane_id} #{pane_start_command}")) {
		id, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		if fits.MatchString(command) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Bob is revoked, and hopes that the panes that he has left go on unseen, or that those of
// others are ended in the place of his: he makes his while alice makes hers, has a client
// leave before it has heard that it made one, and asks for so much else that it might
// hide them. All of his are told of as his, and none of hers, and all of his are ended,
// and none of hers. In the control run tmux does not say what his commands made.
func TestRV04LeftPanes(t *testing.T) {
	t.Parallel()
	row{grants: trusted, teeth: "teeth_made", restless: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "rv", "-x", "80", "-y", "24", "exec cat")
		var beside sync.WaitGroup
		for i := range soak.N(20, 4) {
			for who, program := range map[string]string{viewer: "exec sleep 60%03d", owner: "exec sleep 70%03d"} {
				beside.Go(func() {
					if r := w.Tmux(who, "new-window", "-d", "-t", "mwalice/rv", fmt.Sprintf(program, i)); r.Code != 0 || r.Out != "" {
						w.t.Errorf("%s makes a window: %+v", who, r)
					}
				})
			}
		}
		beside.Wait()
		// His hook fails whenever he makes a window, and with it his command.
		w.Must(viewer, "set-hook", "-t", "mwalice/rv", "after-new-window", "select-pane -t :99")
		if r := w.Tmux(viewer, "new-window", "-d", "-t", "mwalice/rv", "exec sleep 60999"); r.Code == 0 {
			w.t.Errorf("bob's hook does not fail: %+v", r)
		}
		w.Must(viewer, "set-hook", "-u", "-t", "mwalice/rv", "after-new-window")
		gone := w.leaves("split-window", "-dI", "-t", "mwalice/shared:0.1")
		bob := w.Control(viewer, "attach", "-t", "mwalice/rv")
		for _, line := range []string{
			"set-buffer -b bobs left", "bind-key -T root F12 set-option @pressed 1", "set-hook -g after-new-window 'set-option -g @hooked 1'",
			"set-environment -g BOBS left", "pipe-pane -t rv:0.0 'exec cat >/dev/null'", "send-keys -t rv:0.0 x", "run-shell -b true",
		} {
			bob.Say(line)
		}
		n := soak.N(501, 20)
		for i := range n {
			bob.Say(fmt.Sprintf("set-option -g @bobs%d left", i))
		}
		last := fmt.Sprintf("@bobs%d ", n-1)
		tmuxtest.Eventually(w.t, func() bool { return strings.Contains(w.server.Run("show-options", "-g"), last) },
			"bob's lines are done")
		if r := w.Muxward(root, "revoke", viewer, "--reason", "left"); r.Code != 0 {
			w.t.Fatalf("revoke: %+v", r)
		}

		his, hers := append(w.running("^\"?exec sleep 60"), gone), w.running("^\"?exec sleep 70")
		slices.Sort(his)
		if len(his) != soak.N(20, 4)+2 || len(hers) != len(his)-2 {
			w.t.Fatalf("his panes are %q, hers %q", his, hers)
		}
		l, r := w.leftBy(owner)
		if !w.control { // what became of the client that has left is written in its own time
			tmuxtest.Eventually(w.t, func() bool {
				l, r = w.leftBy(owner)
				return l.Complete && slices.Equal(l.sure(), his)
			}, "his panes are told of for sure")
		}
		if got := l.sure(); !slices.Equal(got, his) {
			w.gain("his panes are %q, told of for sure are %q", his, got)
		}
		if r.Code != 0 || l.Complete == w.control { // that it is not known is said
			w.t.Errorf("what bob has left: %+v", r)
		}
		for _, kind := range []string{"buffer", "binding", "hook", "environment", "pipe", "typed", "job", "option"} {
			if !slices.ContainsFunc(l.Acts, func(a act) bool { return a.Kind == kind && a.Note == "" }) {
				w.t.Errorf("that bob left a %s is not told: %+v", kind, l.Acts)
			}
		}
		for _, p := range l.Panes {
			if slices.Contains(hers, strings.TrimPrefix(p.Pane, owner+"/")) {
				w.t.Errorf("what alice made is told as bob's: %+v", p)
			}
		}
		if l, r := w.leftBy(stranger, "-t", owner); r.Code == 0 {
			w.t.Errorf("mallory is told: %+v", l)
		}

		if l, r := w.leftBy(typist, "-t", owner+"/shared", "--hangup", "--yes"); r.Code == 0 && !w.control {
			w.t.Errorf("carol, who may close nothing, ends panes: %+v", l)
		}
		if now := w.running("^\"?exec sleep 60"); len(now) != len(his)-1 && !w.control {
			w.t.Errorf("carol has ended panes: there are %q, and were %q", now, his)
		}
		if l, r := w.leftBy(owner, "--hangup", "--yes"); (r.Code != 0) != w.control {
			w.t.Errorf("alice ends what bob left: %+v", l)
		}
		if now := w.running("^\"?exec sleep 60"); len(now) > 0 {
			w.gain("%q go on", now)
		}
		if now := w.running("^\"?exec sleep 70"); !slices.Equal(now, hers) {
			w.t.Errorf("hers are %q, and were %q", now, hers)
		}
	}}.run(t)
}

// leaves has a client of bob's give a command that takes what it reads, and leave when
// there is a pane more. It gives that pane.
func (w *world) leaves(args ...string) string {
	w.t.Helper()
	panes := func() []string { return strings.Fields(w.server.Run("list-panes", "-a", "-F", "#{pane_id}")) }
	before := panes()
	cmd := tmuxtest.As(w.t, viewer).Command("tmux", args...)
	cmd.Env = w.Env(viewer)
	input, err := cmd.StdinPipe()
	if err == nil {
		defer input.Close()
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	if _, err := io.WriteString(input, "begun\n"); err != nil {
		w.t.Fatal(err)
	}
	var made []string
	tmuxtest.Eventually(w.t, func() bool {
		made = slices.DeleteFunc(panes(), func(id string) bool { return slices.Contains(before, id) })
		return len(made) > 0
	}, "bob's client makes a pane")
	return made[0]
}

// Alice's server says that kill-pane is another command, about carol's server: what she
// could not ask for there, whoever ends bob's pane is to ask for in her place. It is bob's pane
// that is ended, and nothing of carol's. In the control run the words are read as her
// server reads them.
func TestRV04Alias(t *testing.T) {
	t.Parallel()
	const keeper = trusted + "  - {who: root, role: owner, on: \"*\", reason: keeps it}\n"
	row{grants: keeper, teeth: "teeth_worded", restless: true, attack: func(w *world) {
		w.Must(typist, "new-session", "-d", "-s", "hers", "exec cat")
		w.Must(typist, "new-session", "-d", "-s", "stays", "exec cat")
		w.Must(viewer, "new-window", "-d", "-t", "mwalice/shared", "exec sleep 60000")
		w.Must(owner, "set-option", "-s", "command-alias[100]", "kill-pane=kill-session -t mwcarol/hers ; list-panes")
		l, r := w.leftBy(root, "--host", "--hangup", "--yes")
		if w.Tmux(typist, "has-session", "-t", "hers").Code != 0 {
			w.gain("carol's session has ended")
		}
		if now := w.running("exec sleep 60000"); !w.control && (len(now) > 0 || r.Code != 0) {
			w.t.Errorf("bob's pane goes on: %q\n%+v", now, l)
		}
		w.Must(typist, "kill-server") // what it takes is no more than at first then
	}}.run(t)
}

// Carol may read of one of alice's sessions. Bob has made a window there, which lies in
// another one as well, and one that lies in that alone: she is not told of that one, and
// of the other not where else it is. In the control run she is told whatever was found.
func TestRV04OthersPanes(t *testing.T) {
	t.Parallel()
	row{grants: trusted, teeth: "teeth_audited", gains: 2, restless: true, attack: func(w *world) {
		w.Must(owner, "new-session", "-d", "-s", "another", "-x", "80", "-y", "24", "exec cat")
		w.Must(viewer, "new-window", "-d", "-t", "mwalice/another:7", "exec sleep 60001")
		w.Must(viewer, "new-window", "-d", "-t", "mwalice/another:8", "exec sleep 60002")
		w.Must(owner, "link-window", "-d", "-s", "another:7", "-t", "shared:5")
		both, alone := w.running("60001"), w.running("60002")
		l, r := w.leftBy(typist, "-t", owner+"/shared")
		if len(both) != 1 || len(alone) != 1 || !slices.Contains(l.sure(), both[0]) {
			w.t.Fatalf("in both are %q, in the other is %q; carol is told %+v", both, alone, r)
		}
		if slices.Contains(l.sure(), alone[0]) {
			w.gain("carol is told of a pane of another session: %s", r.Out)
		}
		if strings.Contains(r.Out, "another") {
			w.gain("carol is told the name of another session: %s", r.Out)
		}
		if len(l.Acts) > 0 {
			w.t.Errorf("carol is told what else bob asked for: %+v", l.Acts)
		}
	}}.run(t)
}
