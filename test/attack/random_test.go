package attack

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Guests do whatever comes to mind, and hope for what nobody has thought of: they attach, at places of their own and in
// control mode, too, press keys of any kind, paste, resize their terminals, stop their clients and have them go on, run
// commands, and leave by hanging up or in the middle of something. Programs in the panes print what upsets terminals,
// the owner respawns them, and meanwhile takes from everybody what they have and gives it back. By none of it does
// anybody get more than they may:
//
//   - revoked, kicked, locked down: when the command has returned 0 nothing more reaches the person's pane, and what is
//     typed until it is undone never does;
//   - viewer, elsewhere: what the viewer types reaches no pane, and what others type only the one that is theirs;
//   - shown: who may see one pane is never shown what its neighbour prints;
//   - server: the owner's tmux server is the same process, and answers her;
//   - log: `audit verify` says that it is whole;
//   - calm: descriptors and goroutines are as before, and muxward has not panicked.
//
// Each round has a seed, which is drawn with make soak, which its name tells and MUXWARD_SEED gives again: everybody does the same in the same order
// then. Who comes first of two is up to the machine.
//
// In the control run what is revoked counts for nothing (teeth_revoke) and the policy lets the viewer type, and others
// everywhere. At the end displays are left, the log is changed and the server killed. Each of these has to be found. That of
// lockdowns was seen to fail with lockdowns left out of Gateway.taken.
func TestRandomUse(t *testing.T) {
	t.Parallel()
	seeds := []uint64{}
	for i := range soak.N(20, 1) {
		seed := uint64(i + 1) // the same for everybody: what make test says rests on what was changed
		if soak.Full() {
			seed = uint64(rand.Uint32())
		}
		seeds = append(seeds, seed)
	}
	if given := os.Getenv("MUXWARD_SEED"); given != "" {
		seed, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatalf("MUXWARD_SEED: %v", err)
		}
		seeds = []uint64{seed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) {
			p := newPlay(t, seed, false)
			p.round(time.Duration(soak.N(15, 3)) * time.Second)
			for _, f := range p.found {
				t.Errorf("MUXWARD_SEED=%d: %s: %s", seed, f.oracle, f.what)
			}
			t.Logf("seed %d: %s", seed, p.counts())
		})
	}
	t.Run("control", func(t *testing.T) {
		p := newPlay(t, 1, true)
		p.round(tmuxtest.Patience)
		for _, oracle := range oracles {
			if oracle != "lockdown" && !p.has(oracle) {
				t.Errorf("control run: %q finds nothing: this is no test of it\n%s\n%s", oracle, p.counts(), strings.Join(p.last(40), "\n"))
			}
		}
		for _, f := range p.found {
			t.Logf("found: %s: %s", f.oracle, f.what)
		}
	})
}

// What is asked of a round. "taken" are the spells in which something was taken from somebody.
var oracles = []string{"revoke", "kick", "lockdown", "viewer", "elsewhere", "shown", "server", "log", "calm"}

// finding is what an oracle says is wrong.
type finding struct{ oracle, what string }

// play is one round: a muxward, and people who use it at random.
type play struct {
	*host.Host
	t       *testing.T
	seed    uint64
	control bool
	world   *world
	server  host.Server
	secret  string // what the confined must not see
	dir     string // programs for panes
	corpus  []string
	noise   []string // ids of panes in which programs print

	guests map[string]*guest // by the letter with which their marks begin
	end    chan struct{}     // closed when everybody is to stop
	stop   func()

	mu      sync.Mutex
	marks   int
	spell   *spell // what is taken away now
	spells  []*spell
	done    map[string]int // how often what was done
	history []string
	found   []finding
	shows   []*tmuxtest.Terminal // of the confined
	hears   []*host.Lines
	fences  int
}

// guest is somebody who acts at random, and the pane that is theirs, if there is any.
type guest struct {
	who, letter string
	rec         *tmuxtest.Recorder
	pane        string // its id
	// acts is held while they do something by which a mark may be typed, asked while it is to end.
	acts sync.RWMutex
	mu   sync.Mutex
	goes bool
}

// leaves reports whether they are asked to end what they do.
func (g *guest) leaves() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.goes
}

// away has them end all that they do; it gives what lets them begin again.
func (g *guest) away() (back func()) {
	set := func(goes bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.goes = goes
	}
	set(true)
	g.acts.Lock()
	return func() {
		set(false)
		g.acts.Unlock()
	}
}

const (
	confined     = host.Work
	randomPeople = standardPeople + "  mwwork: {}\n"
	randomGrants = `grants:
  - {who: mwbob, role: viewer, on: mwalice/shared, reason: watches}
  - {who: mwbob, role: viewer, on: mwalice/room, reason: watches}
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwmallory, role: viewer, on: mwalice/room, reason: looks}
  - {who: root, role: admin, on: "*", reason: runs it}
`
	// looseGrants are those of the control run.
	looseGrants = randomGrants + `  - {who: mwbob, role: typist, on: mwalice/shared, reason: control run}
  - {who: mwcarol, role: typist, on: mwalice/shared, reason: control run}
  - {who: mwwork, role: viewer, on: mwalice/shared, reason: control run}
`
)

// newPlay starts a muxward with the owner's sessions.
func newPlay(t *testing.T, seed uint64, control bool) *play {
	t.Helper()
	p := &play{t: t, seed: seed, control: control, secret: "MARK-" + randomWord(), done: map[string]int{}, end: make(chan struct{}), guests: map[string]*guest{}}
	p.stop = sync.OnceFunc(func() { close(p.end) })
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was done last:\n%s\nmuxward says:\n%s", strings.Join(p.last(300), "\n"), p.Output())
		}
	})
	cfg := host.Config{Policy: map[string]string{"people.yaml": randomPeople, "grants.yaml": randomGrants},
		Accounts: []string{confined}, TmuxConf: "set -g assume-paste-time 0\n"}
	if control {
		cfg.Policy["grants.yaml"], cfg.Build = looseGrants, "teeth_revoke"
	}
	p.Host = host.Start(t, cfg)
	p.corpus = randomCorpus(t)
	p.dir = tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Chmod(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.programs(p.rand(0))
	p.furnish()
	p.world = &world{Host: p.Host, t: t, row: row{large: true}, control: control, server: p.server}
	if v := versionOf(p.world); v.AtLeast(tmux.Version{Major: 3, Minor: 7}) {
		tmuxtest.Skip(t, "is for tmux before 3.7 yet")
	}
	p.world.settle()
	return p
}

// furnish makes the owner's sessions: in each of three windows a pane is somebody's, and something prints beside it.
func (p *play) furnish() {
	p.t.Helper()
	for letter, who := range map[string]string{"B": viewer, "C": typist, "M": stranger, "W": confined} {
		p.guests[letter] = &guest{who: who, letter: letter}
	}
	theirs := func(letter string, args ...string) {
		g := p.guests[letter]
		g.rec = tmuxtest.NewRecorder(p.t)
		g.pane = p.Must(owner, append(args, "-d", "-P", "-F", "#{pane_id}", g.rec.Command())...)
	}
	theirs("C", "new-session", "-x", "80", "-y", "24", "-s", "shared")
	beside := func(args ...string) {
		p.noise = append(p.noise, p.Must(owner, append(args, "-d", "-P", "-F", "#{pane_id}", p.program(len(p.noise)+2))...))
	}
	beside("split-window", "-t", "shared:0")
	theirs("W", "new-window", "-t", "shared:1")
	p.Must(owner, "split-window", "-d", "-t", "shared:1", "sh "+p.dir+"/secret.sh")
	theirs("M", "new-session", "-x", "80", "-y", "24", "-s", "room")
	beside("split-window", "-t", "room:0")
	beside("new-window", "-t", "room:1")
	p.Must(owner, "new-session", "-d", "-s", "churn", "cat")
	p.server = p.Server(owner)
	for letter, role := range map[string]string{"C": "typist -t shared:0.0", "W": "typist -t shared:1.0", "M": "operator -t room:0"} {
		p.guests[letter].rec.WaitReady()
		args := append([]string{"grant", p.guests[letter].who}, strings.Fields(role)...)
		if r := p.Muxward(owner, append(args, "--for", "1h")...); r.Code != 0 {
			p.t.Fatalf("grant: %+v", r)
		}
	}
}

// rand gives one of those who act their own chances: what they do does not depend on what others do.
func (p *play) rand(n uint64) *rand.Rand { return rand.New(rand.NewPCG(p.seed, n)) }

// over reports whether everybody is to stop.
func (p *play) over() bool {
	select {
	case <-p.end:
		return true
	default:
		return false
	}
}

// rests lets a moment pass, so that others have theirs.
func (p *play) rests(r *rand.Rand, most time.Duration) {
	select {
	case <-p.end:
	case <-time.After(time.Duration(r.Int64N(int64(most)))):
	}
}

// notes keeps what was done.
func (p *play) notes(what, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[what]++
	p.history = append(p.history, time.Now().Format("05.000 ")+what+": "+fmt.Sprintf(format, args...))
}

// finds keeps what an oracle says is wrong.
func (p *play) finds(oracle, format string, args ...any) {
	p.notes("found", oracle+": "+format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = append(p.found, finding{oracle, fmt.Sprintf(format, args...)})
}

func (p *play) has(oracle string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.found, func(f finding) bool { return f.oracle == oracle })
}

func (p *play) last(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.history[max(0, len(p.history)-n):])
}

func (p *play) did(what string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[what]
}

// counts tells how often what was done.
func (p *play) counts() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for what, n := range p.done {
		list = append(list, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ") + fmt.Sprintf("; %d marks", p.marks)
}

// mark is a word that nobody has typed before.
func (p *play) mark(letter string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marks++
	word := fmt.Sprintf("%s%06d", letter, p.marks)
	if p.spell != nil && slices.Contains(p.spell.letters, letter) {
		p.spell.marks = append(p.spell.marks, word)
	}
	return word
}
