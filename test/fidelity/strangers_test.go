package fidelity

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// granted is all that anybody but alice may: bob looks at one window, carol
// types into one pane, and mallory does not come up.
const granted = `grants:
  - {who: mwbob, role: viewer, on: "mwalice/work:1", reason: he watches}
  - {who: mwcarol, role: typist, on: "mwalice/work:1.1", reason: she types}
`

// mark is printed and named wherever bob, carol and mallory may not look.
const mark = "MARK-5f2e"

// house is alice's server with something to find in every place.
type house struct {
	t      *testing.T
	h      *host.Host
	server host.Server
	canary string // a directory in which only what nobody may run makes files

	panes  map[string]*tmuxtest.Recorder // by pane id
	carols string                        // the pane she may type into
	hidden thing
	absent thing
}

// build makes alice's sessions: work, of which one window is shared, and
// secret. Every pane records what it is sent. tag is a build tag of muxward.
func build(t *testing.T, tag string) *house { return buildFor(t, tag, granted) }

// buildFor makes them where people hold other grants.
func buildFor(t *testing.T, tag, grants string) *house {
	t.Helper()
	h := host.Start(t, host.Config{
		Build:    tag,
		Policy:   map[string]string{"grants.yaml": grants},
		TmuxConf: "set -g automatic-rename off\nset -g allow-rename off\nset -g @mark " + mark + "\n",
	})
	x := &house{t: t, h: h, panes: map[string]*tmuxtest.Recorder{}, canary: tmuxtest.Dir(t, tmuxtest.Account{})}
	if err := os.Chmod(x.canary, 0o777); err != nil {
		t.Fatal(err)
	}
	show := "printf " + mark + "; "
	x.pane(show, "new-session", "-d", "-x", "80", "-y", "24", "-s", "work", "-n", "edit")
	x.pane("", "new-window", "-d", "-t", "work", "-n", "shared")
	x.carols = x.pane("", "split-window", "-d", "-t", "work:1")
	x.pane(show, "new-window", "-d", "-t", "work", "-n", mark)
	pane := x.pane(show, "new-session", "-d", "-x", "80", "-y", "24", "-s", "secret", "-n", "zwindow")
	x.pane(show, "new-window", "-d", "-t", "secret", "-n", mark)
	x.pane(show, "new-session", "-d", "-x", "80", "-y", "24", "-s", "=secret", "-n", "odd")
	for _, r := range x.panes {
		r.WaitReady()
	}
	x.server = h.Server(host.Alice)
	tmuxtest.Eventually(t, func() bool { // the panes that a state has are drawn
		shown := x.server.Run("capture-pane", "-p", "-t", "%1", ";", "capture-pane", "-p", "-t", x.carols, ";", "capture-pane", "-p", "-t", pane)
		return strings.Count(shown, "recording") == 3
	}, "the panes show what they have printed")
	ids := strings.Fields(x.server.Run("display-message", "-p", "-t", pane, "#{session_id} #{window_id} #{pane_id}"))
	x.hidden = thing{"secret", "zwindow", ids[0], ids[1], ids[2]}
	x.absent = thing{"nosuch", "ywindow", "$41", "@41", "%41"}
	x.server.Run("set-buffer", "-b", "mark", mark, ";", "select-pane", "-t", pane, "-T", mark, ";", "select-pane", "-m", "-t", pane)
	return x
}

// pane makes a pane that records and gives its id.
func (x *house) pane(show string, argv ...string) string {
	x.t.Helper()
	r := tmuxtest.NewRecorder(x.t)
	id := x.h.Must(host.Alice, append(argv, "-P", "-F", "#{pane_id}", show+r.Command())...)
	x.panes[id] = r
	return id
}

// state is the whole server, and what every pane but carol's was sent.
func (x *house) state() string { return twice(x.reading) }

// twice reads until it is the same twice: from 3.7 on tmux leaves a listing unfinished
// that takes it too long, which on a busy machine is soon.
func twice(read func() string) string {
	last := read()
	for range 5 {
		now := read()
		if now == last {
			break
		}
		last = now
	}
	return last
}

func (x *house) reading() string {
	x.t.Helper()
	var b strings.Builder
	b.WriteString(x.server.State())
	b.WriteString("\n" + x.server.Run("list-clients", ";", "show-options", "-gw",
		";", "list-panes", "-a", "-F", "#{pane_id} #{pane_start_command} #{pane_input_off} #{pane_marked} #{pane_pipe} #{pane_mode} #{history_size} #{pane_width}x#{pane_height} #{session_path}",
		";", "show-options", "-t", "$0", ";", "show-options", "-t", x.hidden.session,
		";", "show-options", "-w", "-t", "@1", ";", "show-options", "-p", "-t", "%1",
		";", "show-environment", "-t", "$0", ";", "show-environment", "-t", x.hidden.session,
		";", "capture-pane", "-p", "-t", "%1", ";", "capture-pane", "-p", "-t", x.carols, ";", "capture-pane", "-p", "-t", x.hidden.pane))
	for id := range len(x.panes) {
		name := fmt.Sprintf("%%%d", id)
		if name != x.carols {
			fmt.Fprintf(&b, "\n%s got %q", name, x.panes[name].Bytes())
		}
	}
	files, err := os.ReadDir(x.canary)
	if err != nil {
		x.t.Fatal(err)
	}
	fmt.Fprintf(&b, "\n%d files", len(files))
	return b.String()
}

// asked is one command line of one person with its answer.
type asked struct {
	argv []string
	answer
}

// ask runs command lines of tmux as a person, a few at a time.
func (x *house) ask(who string, lines [][]string) []asked {
	x.t.Helper()
	return x.run(who, []string{"tmux"}, lines)
}

// run runs a program with each of the lines behind its own words.
func (x *house) run(who string, program []string, lines [][]string) []asked {
	x.t.Helper()
	account, env := tmuxtest.As(x.t, who), x.h.Env(who)
	out := make([]asked, len(lines))
	errs := make([]error, len(lines))
	work := make(chan int)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range work {
				cmd := account.Command(program[0], slices.Concat(program[1:], lines[i])...)
				cmd.Env = env
				out[i].argv = lines[i]
				out[i].answer, errs[i] = client(cmd)
			}
		})
	}
	for i := range lines {
		work <- i
	}
	close(work)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			x.t.Fatalf("%s: tmux %q: %v\nmuxward says:\n%s", who, lines[i], err, x.h.Output())
		}
	}
	return out
}

// client runs a stock tmux client.
func client(cmd *exec.Cmd) (answer, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = host.Patience
	if err := cmd.Start(); err != nil {
		return answer{}, err
	}
	late := time.AfterFunc(host.Patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		return answer{}, fmt.Errorf("no end after %v", host.Patience)
	}
	code := cmd.ProcessState.ExitCode()
	if code < 0 {
		return answer{}, err
	}
	return answer{out.String(), errs.String(), fmt.Sprint(code)}, nil
}

// command makes the argument vector of a template.
func (x *house) command(template, target, who string) []string {
	var argv []string
	for word := range strings.FieldsSeq(template) {
		switch word {
		case "T":
			word = target
		case "W":
			word = who
		}
		argv = append(argv, strings.ReplaceAll(word, "CANARY", x.canary+"/"+who))
	}
	return argv
}

// pair is a form about something hidden and the same about nothing.
type pair struct{ hidden, absent int } // indexes of command lines

// sparse: in a short run each row is tried on every eighth form, other ones for
// each row, and one of its other templates on every eighth of these. What a short
// run has to try at least is asserted by TestEveryFlag and TestEveryFormat.
const sparse = 8

// table collects the command lines of one row for one person.
type table struct {
	x        *house
	row, who string
	turn     int
	lines    [][]string
	pairs    []pair
}

// add puts down a target with the first template and, when it is their turn,
// one of the others; with all in a full run. It gives where they are.
func (b *table) add(target string, turn int) (at []int) {
	others := max(len(templatesOf(b.row))-1, 1)
	for i, tpl := range templatesOf(b.row) {
		if i > 0 && !soak.Full() && (turn%sparse != 0 || i != 1+turn/sparse%others) {
			continue
		}
		at = append(at, len(b.lines))
		b.lines = append(b.lines, b.x.command(tpl, target, b.who))
	}
	return at
}

// both puts down a form about what is hidden and about what is not there.
func (b *table) both(prefix, form string) {
	b.turn++
	h, a := b.add(prefix+b.x.hidden.fill(form), b.turn), b.add(prefix+b.x.absent.fill(form), b.turn)
	for i := range h {
		b.pairs = append(b.pairs, pair{h[i], a[i]})
	}
}

// linesFor makes all command lines of one row for a person.
func (x *house) linesFor(index int, row, who string) *table {
	b := &table{x: x, row: row, who: who, turn: index}
	if !targeted(row) {
		for _, tpl := range templatesOf(row) {
			b.lines = append(b.lines, x.command(tpl, "", who))
		}
		return b
	}
	every, bare, odd := 1, 1, 1 // each so many, other ones for each row
	switch {
	case soak.Full():
	case len(templates[row]) > 0:
		every, bare, odd = sparse, 4*sparse, len(oddOwners)
	default:
		every, bare, odd = 2*sparse, 8*sparse, len(oddOwners)
	}
	b.add(owner+granting, b.turn)
	b.sift(owner, every)
	if row == "new-session" {
		return b // what has no owner is the person's own server, which it starts
	}
	b.sift("", bare)
	for i, o := range oddOwners {
		if (i+index)%odd == 0 {
			b.both(o, "<name>")
		}
	}
	return b
}

// sift puts down each so many of all forms.
func (b *table) sift(prefix string, every int) {
	index := b.turn
	for i, f := range forms {
		if (i+index)%every == 0 {
			b.both(prefix, f)
		}
	}
	for i, f := range fixed {
		if (i+index)%every == 0 {
			b.turn++
			b.add(prefix+f, b.turn)
		}
	}
}

func targeted(row string) bool {
	for _, tpl := range templatesOf(row) {
		for word := range strings.FieldsSeq(tpl) {
			if word == "T" {
				return true
			}
		}
	}
	return false
}

// TestStrangers: whatever three people ask for who hold one window, one pane
// and nothing, nothing outside that changes, they are shown nothing of it, and
// they cannot tell what is hidden from what is not there.
func TestStrangers(t *testing.T) {
	t.Parallel()
	x := build(t, "")
	for _, row := range tmux.Commands() {
		if len(templatesOf(row.Name)) == 0 {
			t.Errorf("%s is offered and not tried here", row.Name)
		}
	}
	x.control()
	total := 0
	for _, who := range []string{host.Mallory, host.Bob, host.Carol} {
		for i, row := range tmux.Commands() {
			n, found := x.try(who, i, row.Name)
			total += n
			for _, f := range found {
				t.Error(f)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	x.typed()
	t.Logf("%d command lines", total)
	x.h.VerifyAudit()
}

const serverChanged = "the server changed"

// TestStrangersTeeth: with a check taken out, the same trial finds something.
func TestStrangersTeeth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ build, who, row, want string }{
		{"teeth_visible", host.Bob, "has-session", "can tell what is hidden"},
		{"teeth_visible", host.Bob, "list-windows", "shows what is hidden"},
		{"teeth_decide", host.Bob, "rename-window", serverChanged},
		{"teeth_decide", host.Bob, "send-keys", serverChanged},
		{"teeth_decide", host.Carol, "send-keys", serverChanged},
		{"teeth_decide", host.Carol, "rename-session", serverChanged},
		{"teeth_visible", host.Mallory, "has-session", "can tell what is hidden"},
		{"teeth_decide,teeth_visible", host.Mallory, "capture-pane", "shows what is hidden"},
		{"teeth_decide,teeth_visible", host.Mallory, "rename-session", serverChanged},
	} {
		t.Run(c.build+" "+c.who+" "+c.row, func(t *testing.T) {
			x := build(t, c.build)
			before := x.state()
			_, found := x.try(c.who, 0, c.row)
			if slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
				return
			}
			if c.want != serverChanged {
				t.Fatalf("it is not found that %s: %q", c.want, found)
			}
			// What was typed may be recorded a moment later.
			tmuxtest.Eventually(t, func() bool { return x.state() != before }, "it is found that %s, beside %q", c.want, found)
		})
	}
}

// try makes a person ask everything of one row, and gives how many command
// lines that were and what was wrong.
func (x *house) try(who string, index int, row string) (n int, found []string) {
	x.t.Helper()
	before := x.state()
	b := x.linesFor(index, row, who)
	found = x.judge(who, x.ask(who, b.lines), b.pairs)
	if after := x.state(); after != before {
		found = append(found, fmt.Sprintf("%s, %s: the server changed:\n%s\nwhat was let through:\n%s",
			who, row, difference(before, after), x.letThrough(who)))
	}
	return len(b.lines), found
}

// judge looks at what somebody was told.
func (x *house) judge(who string, answers []asked, pairs []pair) (found []string) {
	for _, a := range answers {
		if x.reveals(a) {
			found = append(found, fmt.Sprintf("%s: tmux %q shows what is hidden: %s", who, a.argv, a.answer))
		}
		if who == host.Mallory && a.code == "0" && !atHome(a.argv) {
			found = append(found, fmt.Sprintf("%s: tmux %q is answered with yes: %s", who, a.argv, a.answer))
		}
	}
	for _, p := range pairs {
		h, a := answers[p.hidden], answers[p.absent]
		one := answer{x.hidden.hide(h.out), x.hidden.hide(h.err), h.code}
		two := answer{x.absent.hide(a.out), x.absent.hide(a.err), a.code}
		if one != two {
			found = append(found, fmt.Sprintf("%s can tell what is hidden from what is not there:\n  tmux %q: %s\n  tmux %q: %s",
				who, h.argv, h.answer, a.argv, a.answer))
		}
	}
	return found[:min(len(found), 5)]
}

// reveals reports whether an answer says what is hidden, by its mark or by its
// name, and the question does not.
func (x *house) reveals(a asked) bool {
	said := a.out + a.err
	for _, arg := range a.argv {
		said = strings.ReplaceAll(said, arg, "")
	}
	asked := strings.Join(a.argv, " ")
	return strings.Contains(said, mark) && !strings.Contains(asked, mark) ||
		strings.Contains(said, x.hidden.name) && !strings.Contains(asked, x.hidden.name[1:]) ||
		strings.Contains(said, x.hidden.window) && !strings.Contains(asked, x.hidden.window)
}

// atHome reports whether a command line is about nobody's sessions: a server of
// their own is started for whoever asks, and has none.
func atHome(argv []string) bool {
	invs, err := tmux.ParseArgv(argv, tmux.ParseOptions{})
	return err == nil && slices.Contains([]string{"start-server", "list-commands", "list-keys"}, invs[0].Row.Name)
}

// letThrough lists what a person was permitted lately, by the log.
func (x *house) letThrough(who string) string {
	var b strings.Builder
	events := x.h.Audit()
	for _, e := range events[max(0, len(events)-2000):] {
		if e.Person == who && e.Allowed && e.Kind == "intent" {
			fmt.Fprintf(&b, "\t%q → %q (%s)\n", e.Asked, e.Executed, e.Rule)
		}
	}
	return b.String()
}

// control: the grants work, and a change is noticed.
func (x *house) control() {
	x.t.Helper()
	if out := x.h.Must(host.Bob, "list-panes", "-t", "mwalice/work:1", "-F", "#{pane_id}"); out != "%1\n%2" {
		x.t.Errorf("bob sees %q in his window", out)
	}
	x.h.Must(host.Carol, "send-keys", "-t", "mwalice/"+x.carols, "hello")
	x.panes[x.carols].WaitLen(5)
	before := x.state()
	x.h.Must(host.Alice, "rename-window", "-t", "work:1", "other", ";", "send-keys", "-t", "work:1.0", "x")
	x.panes["%1"].WaitLen(1)
	if x.state() == before {
		x.t.Fatal("a renamed window and a typed key are not noticed: this test tests nothing")
	}
	x.h.Must(host.Alice, "rename-window", "-t", "work:1", "shared")
}

// typed: into carol's pane went what carol typed, and nothing of anybody else.
func (x *house) typed() {
	x.t.Helper()
	got := string(x.panes[x.carols].Bytes())
	for _, who := range []string{host.Bob, host.Mallory} {
		if strings.Contains(got, who) {
			x.t.Errorf("%s typed into carol's pane", who)
		}
	}
	if n := strings.Count(got, host.Carol); n < soak.N(3, 1) {
		x.t.Errorf("carol's own keys arrived %d times: %q", n, got)
	}
	rest := strings.NewReplacer("hello", "", host.Carol, "", "W", "", mark, "", "\x02", "").Replace(got)
	if rest != "" {
		x.t.Errorf("carol's pane also got %q", rest)
	}
}

// difference lists the lines that are in one text only.
func difference(before, after string) string {
	var b strings.Builder
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	count := map[string]int{}
	for _, l := range old {
		count[l]++
	}
	for _, l := range now {
		if count[l]--; count[l] < 0 {
			b.WriteString("\t+ " + l + "\n")
		}
	}
	for _, l := range old {
		if count[l] > 0 {
			count[l]--
			b.WriteString("\t- " + l + "\n")
		}
	}
	return b.String()
}
