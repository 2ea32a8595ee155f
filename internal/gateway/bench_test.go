package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// still is a host with one server, alice's, whose state is always the same.
type still struct{ snap *tmux.Snapshot }

func (s still) Owners() []string         { return []string{"alice"} }
func (s still) IsOwner(name string) bool { return name == "alice" || name == "bob" }
func (s still) Owner() string            { return "alice" }
func (s still) Known() *tmux.Snapshot    { return s.snap }
func (s still) Incarnation() string      { return s.snap.Incarnation.String() }

func (s still) Server(owner string) Server {
	if owner == "alice" {
		return s
	}
	return nil
}

func (s still) Start(context.Context, identity.Identity) (Server, error) {
	return nil, errors.New("nobody's")
}

func (s still) Snapshot(context.Context, tmux.Detail) (*tmux.Snapshot, error) { return s.snap, nil }

// mute is a log that keeps nothing.
type mute struct{}

func (mute) Append(context.Context, access.Class, access.Event) (uint64, error) { return 1, nil }

// busy is a gateway to a server of n sessions with two panes each, under a
// policy of 1,000 grants: bob types into one pane.
func busy(b *testing.B, n int) *Gateway {
	b.Helper()
	dir := b.TempDir()
	people, list := "people:\n  alice: {}\n  bob: {}\n", "grants:\n  - {who: bob, role: typist, on: \"alice/s1:0.1\", reason: types}\n"
	for i := range 1000 {
		people += fmt.Sprintf("  p%d: {}\n", i)
		list += fmt.Sprintf("  - {who: p%d, role: typist, on: alice/s%d, reason: many}\n", i, i)
	}
	for name, text := range map[string]string{"people.yaml": people, "grants.yaml": list} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		b.Fatal(err)
	}
	d, err := grants.OpenDenials(filepath.Join(dir, "revocations.json"))
	if err != nil {
		b.Fatal(err)
	}
	parts := tmux.Snapshot{Version: tmux.Reference()}
	for i := range uint32(n) {
		w := tmux.WindowID(i)
		p := []tmux.PaneID{tmux.PaneID(2 * i), tmux.PaneID(2*i + 1)}
		parts.Sessions = append(parts.Sessions, tmux.Session{ID: tmux.SessionID(i), Name: fmt.Sprintf("s%d", i), Links: []tmux.Winlink{{Window: w}}})
		parts.Windows = append(parts.Windows, tmux.Window{ID: w, Name: "w", Panes: p, Active: p[0], HasActive: true})
		parts.Panes = append(parts.Panes, tmux.Pane{ID: p[0], Window: w}, tmux.Pane{ID: p[1], Window: w, Index: 1})
	}
	return New(Parts{Policy: engine, Denials: d, Servers: still{tmux.NewSnapshot(parts)}, Log: mute{}})
}

// BenchmarkCommandLine measures what muxward itself does with a command line
// before it is written and carried out: read it, find what it names, and decide.
// What the server takes to tell its state is not in it.
func BenchmarkCommandLine(b *testing.B) {
	for _, c := range []struct {
		who, line string
		sessions  int
	}{
		{"alice", "send-keys -t s1:0.1 -l hello", 5},
		{"alice", "send-keys -t s1:0.1 -l hello", 50},
		{"alice", "select-pane -t s1:0.1 ; rename-window -t s1 w ; kill-pane -t s1:0.1", 5},
		{"bob", "send-keys -t alice/s1:0.1 -l hello", 5},
		{"bob", "send-keys -t alice/s1:0.1 -l hello", 50},
	} {
		b.Run(fmt.Sprintf("%s/%s/%dpanes", c.who, strings.Fields(c.line)[0], 2*c.sessions), func(b *testing.B) {
			g := busy(b, c.sessions)
			argv := strings.Fields(c.line)
			base := Request{Identity: identity.Supposed(identity.Subject{Person: c.who, Account: c.who, UID: -1, Door: "tmux"})}
			b.ReportAllocs()
			for b.Loop() {
				reqs, err := g.Parse(b.Context(), base, argv)
				if err != nil {
					b.Fatal(err)
				}
				for _, req := range reqs {
					if err := g.Preview(b.Context(), req); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
