package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/tmux"
)

// lost is a host with alice's server, of which it is known whose account it runs as.
type lost struct {
	still
	owner, guests error
}

func (l lost) Server(owner string) Server {
	if owner == "alice" {
		return l
	}
	return nil
}
func (l lost) OwnedBy(identity.Identity) error { return l.owner }
func (l lost) Astray() error                   { return l.guests }

// On a server whose account is another's by now nobody has anything but what stops others, and who came in by
// an account that is another's by now has nothing anywhere.
func TestAnothersByNow(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"people.yaml": "people:\n  alice: {}\n  bob: {}\n",
		"grants.yaml": "grants:\n  - {who: bob, verbs: [view, type, suggest, lock], on: alice, reason: r}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	denials, err := grants.OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	server := access.Object{Kind: access.Server, Owner: "alice"}
	gone := errors.New("it is dave's")
	for what, c := range map[string]struct {
		who           string
		owner, guests error
		stranger      error
		types, locks  bool
	}{
		"a guest":                      {"bob", nil, nil, nil, true, true},
		"its owner":                    {"alice", nil, nil, nil, true, true},
		"a guest, and it is another's": {"bob", nil, gone, nil, false, true},
		"its owner's name":             {"alice", gone, gone, nil, false, false},
		"a guest, and it may not be":   {"bob", gone, nil, nil, true, true}, // as files cannot be read just now
		"who has a guest's process":    {"bob", nil, nil, gone, false, false},
	} {
		g := New(Parts{
			Policy: engine, Denials: denials, Log: mute{}, Strangers: func(identity.Identity) error { return c.stranger },
			Servers: lost{still{tmux.NewSnapshot(tmux.Snapshot{Version: tmux.Reference()})}, c.owner, c.guests},
		})
		who := identity.Supposed(identity.Subject{Person: c.who, Account: c.who, UID: -1, Door: "tmux"})
		for verb, want := range map[access.Verb]bool{access.Type: c.types, access.View: c.types, access.Suggest: c.types, access.Lock: c.locks} {
			d := g.verdict(nil, who, Need{Verb: verb, Object: server}, 1, time.Now())
			if d.Allow != want {
				t.Errorf("%s, %s: %v (%s)", what, verb, d.Allow, d.Reason)
			}
			if has := g.Holds(who, server).Has(verb); has != want {
				t.Errorf("%s holds %s: %v", what, verb, has)
			}
		}
	}
}
