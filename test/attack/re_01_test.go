package attack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/attach/attachtest"
	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// openedUp are options by which an owner lets programs talk to terminals.
const openedUp = `set -s set-clipboard on
set -g set-titles on
set -g set-titles-string "#T"
set -g allow-rename on
set -g mouse on
set -g monitor-bell on
set -g bell-action any
set -gq allow-passthrough on
set -as terminal-features "xterm*:clipboard:title:ccolour:cstyle:mouse:focus:hyperlinks:sixel"
`

// hostile is what a program prints to attack who watches: those of the
// filter's own tests, and some more.
func hostile() []string {
	all := []string{
		"\x1b]52;c;TUFSSw==\x07", "\x1b]52;p;?\x07", "\x1b]0;MARKTITLE\x07", "\x1b]2;MARKTITLE\x1b\\", "\x1bkMARKTITLE\x1b\\",
		"\x1b]4;1;?\x07", "\x1b]4;1;rgb:00/00/00\x07", "\x1b]7;file://h/MARK\x07", "\x1b]8;;http://MARK/\x07link\x1b]8;;\x07",
		"\x1b]9;MARK\x07", "\x1b]10;?\x07", "\x1b]11;red\x07", "\x1b]12;red\x07", "\x1b]50;MARK\x07", "\x1b]104\x07",
		"\x1b]777;notify;MARK;x\x07", "\x1b]1337;File=inline=1:TUFSSw==\x07", "\x1bPtmux;\x1b\x1b]52;c;TUFSSw==\x07\x1b\\",
		"\x1bPq#0;2;0;0;0#0~~\x1b\\", "\x1b_Gf=24;TUFSSw==\x1b\\", "\x1b^MARK\x1b\\", "\x1bXMARK\x1b\\", "\x1b[5i", "\x1b[4i",
		"\x1b[21t", "\x1b[8;200;200t", "\x1b[6n", "\x1b[c", "\x1b[>q", "\x1b[?1003h", "\x1b[?1004h", "\x1b[>4;2m", "\x1b[>1u",
		"\x05", "\x9d52;c;TUFSSw==\x9c", "x\xe2\x80\xaeabc",
	}
	for _, seq := range attachtest.Hostile() {
		all = append(all, seq)
	}
	slices.Sort(all) // runs are alike
	return all
}

// A program prints what sets clipboards and titles, asks terminals questions,
// prints, draws pictures or switches keyboards, on a server whose owner let it;
// then noise of that kind; then everything that the terminal tester vttest
// has. Whoever merely watches gets nothing but what is on the list of what a
// terminal may get: each byte is looked at. In the control run muxward does
// not filter, and some of it gets there.
func TestRE01HostileOutput(t *testing.T) {
	t.Parallel()
	shownByPackage(t, "attach.TestHostileSequencesDoNotReachAGuest", "attach.TestFuzzedOutputStaysOnTheListHoweverItIsCut",
		"attach.FuzzFilter")
	t.Run("attack", func(t *testing.T) {
		s := newShow(t, "")
		calm := s.bed.resting()
		s.list()
		s.noise(soak.N(1000, 10))
		s.vttest()
		got := s.viewer.Bytes()
		if found := attachtest.Strange(got); len(found) > 0 {
			t.Errorf("the viewer's terminal got %d: %v", len(found), found[:min(len(found), 8)])
		}
		t.Logf("%d bytes were looked at", len(got))
		calm()
		s.bed.VerifyAudit()
	})
	t.Run("control", func(t *testing.T) {
		s := newShow(t, "teeth_filter")
		s.list()
		got := s.viewer.Bytes()
		found := attachtest.Strange(got)
		for _, want := range []string{"\x1b[?1003h", "\u202e", "\x1b]52;", "\x1b]12;"} {
			if !bytes.Contains(got, []byte(want)) {
				t.Errorf("without the filter %q does not reach the viewer: this is no test", want)
			}
		}
		if len(found) < 8 {
			t.Errorf("without the filter the viewer's terminal gets %v only", found)
		}
	})
}

// show is a pane whose output a viewer watches.
type show struct {
	bed    *bed
	dir    string
	viewer *tmuxtest.Terminal
}

func newShow(t *testing.T, build string) *show {
	t.Helper()
	b := lay(t, host.Config{TmuxConf: openedUp, Build: build})
	s := &show{bed: b, dir: tmuxtest.Dir(t, tmuxtest.Account{})}
	s.viewer = b.Terminal(viewer, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/other")
	s.viewer.WaitFor("[other]")
	return s
}

// cat has the pane print data, and waits until the viewer sees its end.
func (s *show) cat(name string, data []byte) {
	s.bed.t.Helper()
	file := s.dir + "/" + name
	data = append(data, []byte("\x18\x1b\\\x1b[?47l\r\n"+name+"-END\r\n")...)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		s.bed.t.Fatal(err)
	}
	s.bed.server.Run("respawn-pane", "-k", "-t", "other:0.0", "cat "+file+"; exec cat")
	s.viewer.WaitFor(name + "-END")
}

// list prints the sequences, a few at a time: more would have scrolled away or
// been undone by the next before tmux draws.
func (s *show) list() {
	s.bed.t.Helper()
	for i, few := range slices.Collect(slices.Chunk(hostile(), 6)) {
		s.cat(fmt.Sprintf("list%d", i), []byte(strings.Join(few, "\x18\x1b\\\r\n")))
	}
}

// noise prints pieces of sequences, a hundred at a time.
func (s *show) noise(rounds int) {
	s.bed.t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	all := hostile()
	for i := range rounds {
		var fuzz []byte
		for range 100 {
			seq := []byte(all[rng.IntN(len(all))])
			seq[rng.IntN(len(seq))] = byte(rng.IntN(256))
			fuzz = append(fuzz, seq[:rng.IntN(len(seq)+1)]...)
		}
		s.cat(fmt.Sprintf("fuzz%d", i), fuzz)
	}
}

// vttest walks through the menus of that program: cursor, screen, large
// characters, insertion, and all that xterm has.
func (s *show) vttest() {
	t := s.bed.t
	t.Helper()
	path, err := exec.LookPath("vttest")
	if err != nil {
		tmuxtest.Missing(t, "vttest is not installed: what it draws was not looked at")
		return
	}
	picture := func() string { return s.bed.server.Run("capture-pane", "-p", "-t", "other:0.0") }
	seen := map[string]bool{}
	moment := 300 * time.Millisecond
	press := func(keys ...string) {
		before := picture()
		s.bed.Must(owner, append([]string{"send-keys", "-t", "other:0.0"}, keys...)...)
		within(moment, func() bool { return picture() != before }) // or nothing changes
		seen[picture()] = true
	}
	menus := func() {
		for _, menu := range [][]string{{"1"}, {"2"}, {"4"}, {"8"}, {"11", "8", "*"}} {
			s.bed.server.Run("respawn-pane", "-k", "-t", "other:0.0", "TERM=xterm exec "+path+" 24x80.80")
			tmuxtest.Eventually(t, func() bool { return strings.Contains(picture(), "Enter choice") }, "vttest is ready")
			for _, choice := range menu {
				press(choice, "Enter")
			}
			for i := 0; i < 60 && !strings.Contains(picture(), "Enter choice"); i++ {
				press("Enter")
			}
		}
	}
	for ; len(seen) < 20 && moment < tmuxtest.Patience/2; moment *= 3 { // a busy machine misses some
		menus()
	}
	if len(seen) < 20 {
		t.Errorf("vttest drew %d pictures only", len(seen))
	}
	s.cat("vttest", nil)
}
