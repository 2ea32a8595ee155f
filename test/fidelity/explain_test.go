package fidelity

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// mixed gives bob much of one session and carol one pane for a while.
const mixed = `grants:
  - {who: mwbob, role: operator, on: "mwalice/work", reason: he helps}
  - {who: mwcarol, role: typist, on: "mwalice/work:1.1", until: 2199-01-31T18:00:00Z, reason: she types}
  - {who: root, role: admin, on: "*", reason: keeps the host}
`

// explainLines are asked for by everybody: some are for all, some for few.
var explainLines = []string{
	"ls", "list-windows -t mwalice/work", "lsp -t mwalice/work:1", "lsp -a", "list-clients -t mwalice/work", "lsb", "lscm", "list-keys",
	"has -t mwalice/work", "has -t mwalice/work:1", "has -t mwalice/secret", "has -t mwalice/nosuch", "has -t work", "has -t mwalice/$0",
	"display -p -t mwalice/work:1.1 #{pane_id}", "display -p -t mwalice/secret: x", "display-message hello", "capturep -p -t mwalice/work:1.1",
	"capture-pane -p -t mwalice/secret:", "capture-pane -p -t mwalice/%1", "send-keys -t mwalice/work:1.1 x", "send -l -t mwalice/work:1.0 x",
	"send-keys -X -t mwalice/work:1.1 cancel", "send-keys -K -t mwalice/work:1.1 x", "send-keys -t mwalice/secret: x", "send-keys -N 2000 -t mwalice/work:1.1 x",
	"rename-window -t mwalice/work:1 shared", "rename-window -t mwalice/work:1 #(x)", "rename-session -t mwalice/work work", "renamew -t mwalice/secret: x",
	"select-window -t mwalice/work:1", "selectp -t mwalice/work:1.0", "select-pane -m -t mwalice/work:1.0", "select-layout -t mwalice/work:1 tiled",
	"next-window -t mwalice/work", "last-window -t mwalice/work", "resize-pane -t mwalice/work:1.0 -x 20", "resize-window -x 80 -t mwalice/work:1",
	"split-window -d -t mwalice/work:1", "split-window -d -t mwalice/work:1 cat", "new-window -d -t mwalice/work", "new-window -k -t mwalice/work:1", "new-session -d -s x -t mwalice/work",
	"kill-pane -t mwalice/work:1.2", "kill-pane -a -t mwalice/work:1.0", "kill-window -t mwalice/work:3", "kill-window -t mwalice/secret:", "kill-session -t mwalice/secret",
	"kill-session -t mwalice/work", "swap-pane -d -s mwalice/work:1.0 -t mwalice/work:1.1", "join-pane -d -s mwalice/secret:0.0 -t mwalice/work:1.0", "link-window -d -s mwalice/work:1 -t mwalice/secret:",
	"set-option -t mwalice/work mouse on", "show-options -t mwalice/work", "set-environment -t mwalice/work X y", "set-hook -t mwalice/work pane-exited ls",
	"run-shell -t mwalice/work:1.1 true", "if-shell -F -t mwalice/work:1.1 1 ls", "pipe-pane -t mwalice/work:1.1 cat", "bind-key -n x ls", "source-file /dev/null",
	"set-buffer x", "show-buffer -b mark", "load-buffer /dev/null", "paste-buffer -t mwalice/work:1.1", "detach-client -s mwalice/work", "switch-client -t mwalice/work",
	"copy-mode -t mwalice/work:1.1", "clock-mode -t mwalice/work:1.0", "display-popup -t mwalice/work:1.1 ls", "server-access -l", "start-server", "wait-for -S x",
	"kill-p -t mwalice/work:77", "frobnicate", "kill-pane -y", "l", "display-message -p -t mwalice/work:1.1 a ; send-keys -t mwalice/work:1.1 b",
	"send-keys -t mwalice/work:1.1 a ; kill-server", "has -t mwalice/work ; has -t mwalice/nosuch", "attach -t mwalice/work", "attach -d -t mwalice/work", "clear-history -t mwalice/work:1.0",
}

// explained is what `muxward explain --json` prints, as far as tests look.
type explained struct {
	Verdict, Why string
	Commands     []struct {
		Words []string
		Needs []struct {
			Verb, Object, ID, Rule, Reason string
			Allowed                        bool
		}
	}
}

// TestExplainSaysWhatIsDone: what is explained is what happens: allowed if the
// line is permitted when it is asked for next, and refused in the same words if
// not.
func TestExplainSaysWhatIsDone(t *testing.T) {
	t.Parallel()
	x := build(t, "")
	x.h.Reload("grants.yaml", mixed)
	var told []explained
	var lines [][]string
	seen := map[string]int{}
	for _, who := range []string{host.Mallory, host.Carol, host.Bob, host.Alice} {
		for _, line := range explainLines {
			if who == host.Alice {
				line = strings.ReplaceAll(line, "mwalice/", "")
			}
			if who == host.Alice && (strings.Contains(line, "kill-s") || strings.Contains(line, "attach")) {
				continue // she needs her sessions, and has no terminal
			}
			argv := strings.Fields(line)
			r := x.h.Muxward(who, append([]string{"explain", "--json", "--", "tmux"}, argv...)...)
			var e explained
			if err := json.Unmarshal([]byte(r.Out), &e); err != nil {
				t.Fatalf("%s, %q: %v\n%s%s", who, line, err, r.Out, r.Err)
			}
			if want := map[string]int{"allowed": 0, "refused": 1, "later": 1}[e.Verdict]; r.Code != want {
				t.Errorf("%s, %q: %s with exit code %d", who, line, e.Verdict, r.Code)
			}
			done := x.h.Tmux(who, argv...)
			heard := strings.TrimSpace(done.Err)
			if strings.HasPrefix(heard, "tmux: unknown option -- ") { // the client itself says so before 3.3
				_, heard, _ = strings.Cut(heard, "\n")
			}
			if e.Verdict == "refused" && heard != e.Why {
				t.Errorf("%s, %q: told %q, and hears %q", who, line, e.Why, done.Err)
			}
			for _, c := range e.Commands {
				for i, n := range c.Needs[:max(len(c.Needs)-1, 0)] {
					if !n.Allowed {
						t.Errorf("%s, %q: after the refusal of %s it goes on with %+v", who, line, n.Verb, c.Needs[i+1:])
					}
				}
			}
			told, lines = append(told, e), append(lines, append([]string{who}, argv...))
			seen[who+" "+e.Verdict]++
		}
	}
	x.compare(told, lines)
	t.Log(seen)
	for _, want := range []string{"mwmallory refused", "mwcarol allowed", "mwcarol refused", "mwbob allowed", "mwbob refused", "mwalice allowed"} {
		if seen[want] < 3 {
			t.Errorf("%s: only %d times", want, seen[want])
		}
	}
	x.h.VerifyAudit()
}

// compare looks at what was told of each line beside what the log has of it
// from then until the next explanation.
func (x *house) compare(told []explained, lines [][]string) {
	x.t.Helper()
	n := -1
	var asked, denied, done = 0, false, false
	check := func() {
		if n < 0 {
			return
		}
		asked++
		if permitted := done && !denied; permitted != (told[n].Verdict == "allowed") && told[n].Verdict != "later" {
			x.t.Errorf("%q is explained as %s (%s), and permitted: %v", lines[n], told[n].Verdict, told[n].Why, permitted)
		}
	}
	for _, e := range x.h.Audit() {
		switch {
		case e.Kind == "intent" && len(e.Asked) > 1 && e.Asked[0] == "muxward" && e.Asked[1] == "explain":
			check()
			n++
			denied, done = false, false
			if want := append([]string{"muxward", "explain", "--", "tmux"}, lines[n][1:]...); !slices.Equal(e.Asked, want) || e.Person != lines[n][0] {
				x.t.Fatalf("the log has %s %q for %q", e.Person, e.Asked, lines[n])
			}
		case e.Door == "tmux" && e.Kind == "denied":
			denied = true
		case e.Door == "tmux" && e.Kind == "intent":
			done = true
		}
	}
	check()
	if asked != len(lines) {
		x.t.Errorf("%d of %d explanations are in the log", asked, len(lines))
	}
}

// explanations asks for an explanation of every line.
func (x *house) explanations(who string, lines [][]string) []asked {
	x.t.Helper()
	return x.run(who, []string{x.h.Bin(), "explain", "--", "tmux"}, lines)
}

// TestExplainReveals: whoever wants to run something by having it explained, or
// to be told by an explanation of what is hidden, gets neither: nothing at all
// changes, and what is hidden is explained as what is not there.
func TestExplainReveals(t *testing.T) {
	t.Parallel()
	x := build(t, "")
	before := x.state()
	total := 0
	for _, who := range []string{host.Mallory, host.Bob, host.Carol} {
		for i, row := range tmux.Commands() {
			b := x.linesFor(i, row.Name, who)
			b.thin(soak.N(len(b.pairs), 1), i)
			total += len(b.lines)
			for _, f := range x.judge(who, x.explanations(who, b.lines), b.pairs) {
				t.Error(f)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	for _, who := range []string{host.Mallory, host.Bob} {
		if r := x.h.Muxward(who, "explain", "--who", host.Alice, "--", "tmux", "ls"); r.Code != 1 || r.Out != "" || !strings.Contains(r.Err, "not permitted: audit on host") {
			t.Errorf("%s has alice's right explained: %+v", who, r)
		}
	}
	if after := x.state(); after != before {
		t.Errorf("the server changed:\n%s", difference(before, after))
	}
	t.Logf("%d explanations", total)
}

// TestExplainRevealsTeeth: with a check taken out, the same trial finds something.
func TestExplainRevealsTeeth(t *testing.T) {
	t.Parallel()
	x := build(t, "teeth_visible")
	b := x.linesFor(0, "has-session", host.Mallory)
	b.thin(16, 0)
	found := x.judge(host.Mallory, x.explanations(host.Mallory, b.lines), b.pairs)
	if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, "can tell what is hidden") }) {
		t.Errorf("it is not found that mallory can tell: %q", found)
	}
}

// thin keeps n of the pairs, others for each turn, or n lines if there is no
// pair.
func (b *table) thin(n, turn int) {
	if len(b.pairs) == 0 {
		b.lines = b.lines[:min(n, len(b.lines))]
		return
	}
	var lines [][]string
	var pairs []pair
	for i := range min(n, len(b.pairs)) {
		p := b.pairs[(turn+i*len(b.pairs)/n)%len(b.pairs)]
		pairs = append(pairs, pair{len(lines), len(lines) + 1})
		lines = append(lines, b.lines[p.hidden], b.lines[p.absent])
	}
	b.lines, b.pairs = lines, pairs
}

// TestExplainInside: what is asked from within a pane is explained as it would
// be decided there: about where that pane is, unless something else is named.
func TestExplainInside(t *testing.T) {
	t.Parallel()
	x := build(t, "")
	dir := tmuxtest.Dir(t, tmuxtest.As(t, host.Alice))
	ask := fmt.Sprintf("%s explain --json --state %s -- tmux kill-pane ';' rename-window -t work:1 w >%s/new; mv %s/new %s/told; exec cat",
		x.h.Bin(), x.h.State, dir, dir, dir)
	id := x.h.Must(host.Alice, "new-window", "-t", "secret", "-P", "-F", "#{session_id}:#{window_id}.#{pane_id}", ask)
	x.h.Must(host.Alice, "select-window", "-t", "work:1") // not the session that was used last
	var e explained
	tmuxtest.Eventually(t, func() bool {
		text, err := os.ReadFile(dir + "/told")
		return err == nil && json.Unmarshal(text, &e) == nil
	}, "it is explained inside the pane")
	if e.Verdict != "allowed" || len(e.Commands) != 2 {
		t.Fatalf("inside it is told %+v", e)
	}
	if n := e.Commands[0].Needs; len(n) == 0 || n[0].Verb != "close-pane" || n[0].ID != "mwalice/"+id {
		t.Errorf("to close %s needs %+v", id, n)
	}
	if n := e.Commands[1].Needs; len(n) == 0 || n[0].Verb != "layout" || n[0].Object != "mwalice/work:1" {
		t.Errorf("to rename a window needs %+v", n)
	}
}

// TestExplainForOthers: whoever keeps the host is told of others what these are
// told themselves.
func TestExplainForOthers(t *testing.T) {
	t.Parallel()
	x := build(t, "")
	x.h.Reload("grants.yaml", mixed)
	for _, who := range []string{host.Mallory, host.Carol, host.Bob} {
		for i, line := range explainLines {
			if i%5 != 0 && !soak.Full() {
				continue
			}
			words := append([]string{"--json", "--", "tmux"}, strings.Fields(line)...)
			own := x.h.Muxward(who, append([]string{"explain"}, words...)...)
			told := x.h.Muxward("root", append([]string{"explain", "--who", who}, words...)...)
			if door := strings.NewReplacer("tmux-0/", "tmux-UID/", fmt.Sprintf("tmux-%d/", tmuxtest.As(t, who).UID), "tmux-UID/"); door.Replace(own.Out) != door.Replace(told.Out) || own.Code != told.Code {
				t.Errorf("%s, %q: %s is told %s, and root %s", who, line, who, own.Out, told.Out)
			}
		}
	}
}
