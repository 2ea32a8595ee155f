package fidelity

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// duetConf is the configuration at both: what is typed at once is no paste, and
// nothing on the screen tells the time.
const duetConf = `set -g assume-paste-time 0
set -s escape-time 50
set -g automatic-rename off
set -g status-interval 0
set -g status-right ''
set -g default-terminal tmux-256color
`

// A guest holds what it takes to work in a program, and no more: their keys are
// addressed.
const duetGrants = `grants:
  - {who: mwbob, verbs: [view, scroll, copy, type, navigate, resize], on: mwalice/*, reason: works there}
`

const (
	// silence is how long nothing may come to either terminal before what they
	// show counts; longSilence, if nothing has come to one at all since the keys, or
	// if there is a new size to draw for; clickSilence is that after which another
	// click makes no double click in any of the programs, escapeSilence that after
	// which no key belongs to an escape before it.
	silence, longSilence        = 40 * time.Millisecond, 300 * time.Millisecond
	clickSilence, escapeSilence = 600 * time.Millisecond, 150 * time.Millisecond

	duetCols, duetRows = 80, 24
)

// TestInteractions: people work in real programs, one at plain tmux and a guest
// through muxward. After each thing that they do both see the same, cell for cell.
func TestInteractions(t *testing.T) {
	t.Parallel()
	d := newDuet(t)
	all, counted := soak.N(2040, 72), 0
	programs := duetPrograms()
	for i, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			rounds := soak.N(2, 1) // without tmux's mouse, and with it
			for round := range rounds {
				counted += d.play(t, p, all/len(programs)/rounds, (i+round)%2 == 1)
			}
		})
	}
	t.Logf("%d interactions", counted)
	d.host.VerifyAudit()
}

// duet is a tmux server of alice's by itself, and one behind muxward.
type duet struct {
	plain *tmuxtest.Server
	host  *host.Host
	alice tmuxtest.Account
	base  string
	homes [2]string // of equal length and name: they may be shown
}

func newDuet(t *testing.T) *duet {
	t.Helper()
	d := &duet{alice: tmuxtest.As(t, host.Alice)}
	d.plain = tmuxtest.Start(t, tmuxtest.Config{Conf: duetConf, As: d.alice})
	d.plain.NewSession("stays", "exec cat")
	d.host = host.Start(t, host.Config{TmuxConf: duetConf, Policy: map[string]string{"grants.yaml": duetGrants}})
	d.host.Must(host.Alice, "new-session", "-d", "-s", "stays", "exec cat")
	d.base = tmuxtest.Dir(t, d.alice)
	d.homes = [2]string{filepath.Join(d.base, "one/home"), filepath.Join(d.base, "two/home")}
	return d
}

func (d *duet) tmux(i int, args ...string) string {
	if i == 0 {
		return strings.TrimSuffix(d.plain.Run(args...), "\n")
	}
	return d.host.Must(host.Alice, args...)
}

// path is where a program is; a test of one that is missing is skipped.
func (d *duet) path(t *testing.T, p duetProgram) string {
	t.Helper()
	path, err := exec.LookPath(p.program)
	if err != nil {
		tmuxtest.Skip(t, "needs %s", p.name)
	}
	return path
}

// beside each home is what programs keep otherwise in it.
var beside = []string{"config", "data", "cache"}

// furnish makes both homes anew, with the same in each.
func (d *duet) furnish(t *testing.T, p duetProgram) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	old := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, home := range d.homes {
		by := filepath.Dir(home)
		must(os.RemoveAll(by))
		for _, dir := range beside { // what is made there later has the time of then
			must(os.MkdirAll(filepath.Join(by, dir), 0o755))
		}
		for name, text := range p.files {
			at := filepath.Join(home, name)
			must(os.MkdirAll(filepath.Dir(at), 0o755))
			must(os.WriteFile(at, []byte(text), 0o644))
		}
	}
	must(filepath.Walk(d.base, func(path string, _ os.FileInfo, err error) error {
		if err == nil {
			err = os.Lchown(path, int(d.alice.UID), int(d.alice.GID))
		}
		if err == nil {
			err = os.Chtimes(path, old, old)
		}
		return err
	}))
	must(os.Chtimes(d.base, old, old))
}

// performance is one program in two panes, and who works in each.
type performance struct {
	*duet
	t    *testing.T
	x    [2]*tmuxtest.Terminal
	pane [2]pane
	done []string // what was done last
}

// play has a program run at both, has things done in it until at least n were,
// and gives how many.
func (d *duet) play(t *testing.T, p duetProgram, n int, mouse bool) int {
	t.Helper()
	command := p.command(d.path(t, p), d, t)
	d.furnish(t, p)
	w := &performance{duet: d, t: t}
	for i, home := range d.homes {
		env := append([]string{"HOME=" + home}, p.env...)
		for _, dir := range beside {
			env = append(env, "XDG_"+strings.ToUpper(dir)+"_HOME="+filepath.Join(filepath.Dir(home), dir))
		}
		d.tmux(i, "new-session", "-d", "-s", p.name, "-n", p.name, "-x", fmt.Sprint(duetCols), "-y", fmt.Sprint(duetRows-1),
			"cd "+home+" && exec env "+strings.Join(env, " ")+" "+command)
		d.tmux(i, "set-option", "-t", p.name, "mouse", map[bool]string{true: "on", false: "off"}[mouse])
		w.pane[i] = openPane(t, d.tmux(i, "display-message", "-p", "-t", p.name+":", "#{pane_tty} #{pane_pid}"))
	}
	w.x = [2]*tmuxtest.Terminal{
		d.plain.Attach(t, tmuxtest.TerminalConfig{}, "attach", "-t", p.name),
		d.host.Terminal(host.Bob, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/"+p.name),
	}
	w.settle(interaction{line: "(begin)", shows: p.begins, prompt: p.prompt}, [2]int{})
	score := phrases(t, p.name)
	r := rand.New(rand.NewPCG(4, uint64(len(p.name))))
	count := 0
	for count < n {
		for _, k := range r.Perm(len(score)) {
			if count >= n {
				break
			}
			for _, i := range score[k] {
				w.act(i)
				count++
			}
		}
	}
	for i, x := range w.x {
		x.Close()
		d.tmux(i, "kill-session", "-t", p.name)
	}
	return count
}

// act does the same at both, and waits until both see the same.
func (w *performance) act(i interaction) {
	w.t.Helper()
	w.done = append(w.done[max(0, len(w.done)-12):], i.line)
	var before [2]int
	for k, x := range w.x {
		before[k] = x.Len()
		if i.cols > 0 {
			x.Resize(i.cols, i.rows)
		} else {
			x.Type(i.keys)
		}
	}
	w.settle(i, before)
}

// settle waits until both terminals show the same, and what they have to, and
// nothing more comes. Both have to be drawn on if that is awaited; else they get
// some time for it.
func (w *performance) settle(i interaction, before [2]int) {
	w.t.Helper()
	awaited := i.shows != "" || i.prompt != "" || i.alone() || i.cols > 0
	last, since := [2]int{-1, -1}, time.Now()
	same := false
	tmuxtest.Eventually(w.t, func() bool {
		now := [2]int{w.x[0].Len(), w.x[1].Len()}
		if now != last {
			last, since = now, time.Now()
			p := w.x[0].Picture()
			same = i.done(p) && w.alike(p).Equal(w.x[1].Picture())
		}
		drawn := now[0] > before[0] && now[1] > before[1]
		return same && (drawn || !awaited) && time.Since(since) >= i.silence(drawn) && w.pane[0].rests(i) && w.pane[1].rests(i)
	}, "both show the same after %q: %v", &w.done, stringer(w.difference))
}

// silence is how long nothing may come after an interaction.
func (i interaction) silence(drawn bool) time.Duration {
	switch {
	case i.click:
		return clickSilence
	case i.alone():
		return escapeSilence
	case i.cols > 0 || !drawn:
		return longSilence
	}
	return silence
}

// pane is the terminal of a pane, and the program in it.
type pane struct {
	t   *testing.T
	tty *os.File
	pid string
}

// openPane opens what tmux says of a pane: its terminal's name and its process.
func openPane(t *testing.T, about string) pane {
	t.Helper()
	name, pid, _ := strings.Cut(about, " ")
	tty, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() }) // nothing was written
	return pane{t, tty, pid}
}

// rests reports whether the program has read what came, and waits for more. If the
// terminals were given a size, it has that: tmux tells a program some time after it
// has drawn for that.
func (p pane) rests(i interaction) bool {
	p.t.Helper()
	unread, err := unix.IoctlGetInt(int(p.tty.Fd()), unix.TIOCINQ)
	size, serr := unix.IoctlGetWinsize(int(p.tty.Fd()), unix.TIOCGWINSZ)
	stat, perr := os.ReadFile("/proc/" + p.pid + "/stat")
	if err = errors.Join(err, serr, perr); err != nil {
		p.t.Fatal(err)
	}
	if i.cols > 0 && (int(size.Col) != i.cols || int(size.Row) != i.rows-1) {
		return false
	}
	state := strings.LastIndex(string(stat), ") ") + 2
	return unread == 0 && stat[state] == 'S'
}

// done reports whether a screen shows what it has to after an interaction.
func (i interaction) done(p tmuxtest.Picture) bool {
	if i.shows != "" && !strings.Contains(strings.Join(p.Rows, "\n"), i.shows) {
		return false
	}
	return i.prompt == "" ||
		p.Cursor.Col == len(i.prompt) && strings.TrimRight(p.Rows[p.Cursor.Row], " ") == strings.TrimRight(i.prompt, " ")
}

// alike is a screen of the first home as if it were of the second.
func (w *performance) alike(p tmuxtest.Picture) tmuxtest.Picture {
	for y, row := range p.Rows {
		p.Rows[y] = strings.ReplaceAll(row, "/one/", "/two/") // programs leave out what is before
	}
	return p
}

// difference tells what is not the same now: on the terminals, and whether it is
// in the panes, too.
func (w *performance) difference() string {
	what := w.alike(w.x[0].Picture()).Differences(w.x[1].Picture())
	var panes [2]string
	for i := range panes {
		panes[i] = w.tmux(i, "capture-pane", "-p", "-e", "-N", "-t", "="+filepath.Base(w.t.Name())+":")
	}
	if panes[0] != panes[1] {
		what += fmt.Sprintf("the programs themselves differ:\n%q\n%q\n", panes[0], panes[1])
	}
	return fmt.Sprintf("at tmux ≠ at the guest:\n%s\n%s", what, strings.Join(w.x[1].Screen(), "\n"))
}

// stringer is text that is made when it is printed.
type stringer func() string

func (s stringer) String() string { return s() }
