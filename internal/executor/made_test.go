package executor

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
)

// What tmux says of a pane that was made is heard however it comes in pieces, and the
// person gets what they asked for, and what is printed behind it, and nothing else.
func TestMaker(t *testing.T) {
	for _, c := range []struct {
		line, print, want string
		said              bool
	}{
		{"split-window -d", "MARK$1:@2.%3/77 \n", "", true},
		{"split-window -d", "MARK$1:@2.%3/77 \nof a hook\n", "of a hook\n", true},
		{"split-window -dP", "MARK$1:@2.%3/77 work:0.1\n", "work:0.1\n", true},
		{"split-window -dP", "MARK$1:@2.%3/77 \n", "\n", true},
		{"new-window -dP -F #{pane_id}", "MARK$1:@2.%3/77 %3\nof a hook\n", "%3\nof a hook\n", true},
		{"new-window -d", "$1:@2.%3/77 \n", "$1:@2.%3/77 \n", false},
		{"new-window -d", "muxward-else $1:@2.%3/77 \n", "muxward-else $1:@2.%3/77 \n", false},
		{"new-window -d", "MARK$1:@2.%3/x \nmore\n", "more\n", false},
		{"new-window -d", "MARK" + strings.Repeat("9", maxMade) + "\nmore\n", "more\n", false},
		{"new-window -d", "MARK$1:@2.%9/77 \n", "", false}, // which was there before
	} {
		argv := strings.Fields(c.line)
		invs, perr := tmux.ParseArgv(argv, tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		for _, piece := range []int{1, 7, 1000} {
			m, inv := making(&gateway.Plan{Invocation: invs[0], Snapshot: &tmux.Snapshot{Panes: []tmux.Pane{{ID: 9}}}})
			format, _ := inv.Get('F')
			if m == nil || !inv.Has('P') || !strings.HasPrefix(format, m.mark+"#{session_id}:#{window_id}.#{pane_id}/#{pane_pid} ") {
				t.Fatalf("%s becomes %q", c.line, inv.Words())
			}
			var got strings.Builder
			for rest := strings.ReplaceAll(c.print, "MARK", m.mark); rest != ""; {
				n := min(piece, len(rest))
				got.Write(m.cut([]byte(rest[:n])))
				rest = rest[n:]
			}
			if got.String() != c.want || m.hears() {
				t.Errorf("%s prints %q in pieces of %d: %q, want %q", c.line, c.print, piece, got.String(), c.want)
			}
			made := m.made(nobodysServer{})
			if (made != nil) != c.said || c.said && (made.Pane.String() != "alice/$1:@2.%3" || made.Process != 77) {
				t.Errorf("%s prints %q: made is %v", c.line, c.print, made)
			}
		}
	}
}

// Whatever is printed, and in whatever pieces, the person gets the same of it, and never
// what is ours.
func FuzzMaker(f *testing.F) {
	f.Add("MARK$1:@2.%3/77 work:0.1\nmore\n", uint8(3), true)
	f.Add("MARK$1:@2.%3/77 \n", uint8(1), false)
	f.Add("MAMARK", uint8(2), false)
	f.Fuzz(func(t *testing.T, printed string, piece uint8, asked bool) {
		cut := func(piece int) (string, bool) {
			m := &maker{mark: "MARK", asked: asked}
			var got strings.Builder
			for rest := printed; rest != ""; {
				n := min(max(piece, 1), len(rest))
				got.Write(m.cut([]byte(rest[:n])))
				rest = rest[n:]
			}
			return got.String(), m.said
		}
		whole, said := cut(len(printed))
		if got, again := cut(int(piece)); len(printed) < maxMade && (got != whole || again != said) {
			t.Errorf("%q in pieces of %d: %q and %v, at once %q and %v", printed, piece, got, again, whole, said)
		}
		if strings.HasPrefix(whole, "MARK") && !strings.Contains(printed[1:], "MARK") {
			t.Errorf("%q prints %q", printed, whole)
		}
	})
}

// Of those that attach a group of sessions, or make nothing, nothing is asked.
func TestMakerOfNothing(t *testing.T) {
	for _, line := range []string{"new-session -d -t other", "kill-pane -t %1", "respawn-pane -t %1"} {
		invs, perr := tmux.ParseArgv(strings.Fields(line), tmux.ParseOptions{})
		if perr != nil {
			t.Fatal(perr)
		}
		if m, inv := making(&gateway.Plan{Invocation: invs[0]}); m != nil || inv != invs[0] {
			t.Errorf("%s becomes %q", line, inv.Words())
		}
	}
}

// nobodysServer is a server that has a name.
type nobodysServer struct{ Server }

func (nobodysServer) Owner() string       { return "alice" }
func (nobodysServer) Incarnation() string { return "1/2/\"x\"" }
