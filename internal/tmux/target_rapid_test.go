package tmux

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/soak"
)

// chancyServer is targetServer with some sessions and windows more, which have names
// that are made of what means something in a target.
func chancyServer(t testing.TB) (*control, *Snapshot) {
	srv, c := targetServer(t)
	for i, name := range []string{
		"=a", "a=", "w+", "wo*k", "[w", "{next}x", "$", "$1x", "@", "%1x", "-1", "+1x", "!x", "^x", "0x", "00", "Work", "work2", "a b", "é*", "?", "~x",
	} {
		id := srv.run("new-session", "-d", "-s", name, "-n", name+"w", "-P", "-F", "#{session_id}", "exec cat")
		if i%3 == 0 {
			srv.run("new-window", "-d", "-t", id+":"+strconv.Itoa(i+1), "-n", "W"+name, "exec cat")
		}
		if i%5 == 0 {
			srv.run("split-window", "-d", "-t", id+":", "exec cat")
		}
	}
	return c, c.snapshot(Core)
}

// targetMaker draws targets from what is on a server.
type targetMaker struct {
	*rapid.T
	names, ids []string
}

func newTargetMaker(t *rapid.T, snap *Snapshot) *targetMaker {
	m := &targetMaker{T: t}
	for i := range snap.Sessions {
		m.names = append(m.names, snap.Sessions[i].Name)
		m.ids = append(m.ids, snap.Sessions[i].ID.String())
	}
	for i := range snap.Windows {
		m.names = append(m.names, snap.Windows[i].Name)
		m.ids = append(m.ids, snap.Windows[i].ID.String())
	}
	for i := range snap.Panes {
		m.ids = append(m.ids, snap.Panes[i].ID.String())
	}
	slices.Sort(m.names)
	return m
}

func (m *targetMaker) of(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(m.T, label)
}

func (m *targetMaker) below(label string, n int) int { return rapid.IntRange(0, n-1).Draw(m.T, label) }

// part draws a session's, a window's or a pane's part: a name, what is like one, an
// id, a number, a word of tmux's own, or what is none of it.
func (m *targetMaker) part() string {
	switch m.below("part", 8) {
	case 0:
		return m.of("id", m.ids...)
	case 1:
		return m.of("sign", "", "+", "-", "$", "@", "%", "=", " ", "+-", "@-", "%+") + m.of("number", "", "0", "1", "2", "3", "7", "9", "00", "01", "4294967296", "2147483648", "99999999999999999999")
	case 2:
		return m.of("word", "{last}", "{next}", "{previous}", "{start}", "{end}", "{top}", "{bottom}", "{left}", "{right}", "{top-left}", "{bottom-right}",
			"{up-of}", "{down-of}", "{left-of}", "{right-of}", "{marked}", "{mouse}", "{}", "{last", "last}", "{Last}", "{+}", "top", "Bottom", "LEFT", "!", "^", "$", "~", "=")
	case 3:
		var b strings.Builder
		for range 1 + m.below("length", 4) {
			b.WriteString(m.of("piece", "*", "?", "[", "]", "a", "w", "-", "+", "=", "!", "^", "$", "@", "%", "{", "}", "~", "\\", " ", "é", "0", "1", "_"))
		}
		return b.String()
	default:
		return m.like(m.of("name", m.names...))
	}
}

// like is a name, or its beginning or end, or a pattern that it may match.
func (m *targetMaker) like(name string) string {
	runes := []rune(name)
	at := 0
	if len(runes) > 0 {
		at = m.below("place", len(runes))
	}
	head, tail := string(runes[:at]), string(runes[at:])
	switch m.below("like", 8) {
	case 0:
		return "=" + name
	case 1:
		return head
	case 2:
		return tail
	case 3:
		return head + "*"
	case 4:
		return head + m.of("glob", "*", "?", "[a-z]", "[!a]", "\\", "[]", "[^x]", "**", "") + strings.TrimPrefix(tail, string(runes[at:min(at+1, len(runes))]))
	case 5:
		return "==" + name
	}
	return name
}

// target draws a whole one.
func (m *targetMaker) target() string {
	switch m.below("form", 8) {
	case 0, 1:
		return m.part()
	case 2:
		return m.part() + ":" + m.part()
	case 3:
		return ":" + m.part()
	case 4:
		return m.part() + "." + m.part()
	case 5:
		return "." + m.part()
	case 6:
		return m.part() + ":" + m.part() + "." + m.part()
	}
	return m.of("begin", "", "=", ":", ".", m.part()) + m.of("middle", ":", ".", "::", ":.", ".:", "..") + m.of("end", "", "=", ".", ":", m.part())
}

// chance is what a property may draw from.
func chance(seed byte) []byte {
	all := make([]byte, 8<<10)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(all) // never fails
	return all
}

// targetsAgree compares where a target leads with where it leads in tmux.
func targetsAgree(c *control, snap *Snapshot) func(*rapid.T) {
	session := snap.SessionByName("work").ID
	return func(r *rapid.T) {
		kind := []TargetKind{TargetPane, TargetWindow, TargetSession}[rapid.IntRange(0, 2).Draw(r, "kind")]
		target := newTargetMaker(r, snap).target()
		if splitTarget(kind, target).window == "@" {
			return // no id: refused here, whatever a version makes of it
		}
		got := outcomeHere(snap, ResolveContext{Session: &session}, kind, target)
		if want := askTmux(c, kind, target); !sameOutcome(got, want) {
			r.Fatalf("%s %q: got %q, tmux %q", kind, target, got, want)
		}
	}
}

// TestRandomTargetsAgreeWithTmux draws targets from what is on a server, and from
// what means something in one.
func TestRandomTargetsAgreeWithTmux(t *testing.T) {
	c, snap := chancyServer(t)
	for range soak.N(800, 8) { // a hundred each
		rapid.Check(t, targetsAgree(c, snap))
	}
}

// FuzzTargetAgainstTmux draws them as a fuzzer likes.
func FuzzTargetAgainstTmux(f *testing.F) {
	c, snap := chancyServer(f)
	f.Add(chance(1))
	f.Add(chance(2))
	agree := rapid.MakeFuzz(targetsAgree(c, snap))
	f.Fuzz(func(t *testing.T, data []byte) {
		c.t = t
		agree(t, data)
	})
}
