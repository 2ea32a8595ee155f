package requests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// Who knocks is told by nothing, in whatever words, what is behind the door, until they are let in.
func TestKnockTellsNothing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"people.yaml": "people:\n  alice: {}\n  bob: {}\n", "grants.yaml": "grants: []\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	engine, err := policy.NewEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	q := &Requests{Policy: engine}
	bob := identity.Supposed(identity.Subject{Person: "bob", UID: -1})
	on := access.Object{
		Kind: access.Pane, Owner: "alice", Incarnation: "secret", Session: access.SessionRef{ID: 1, Name: "secret"},
		Links: []access.SessionRef{{ID: 8, Name: "secret"}}, Window: access.WindowRef{ID: 2}, Pane: access.PaneRef{ID: 3},
	}
	r := grants.Request{ID: "x", Who: bob, What: "secret", Verbs: access.SetOf(access.View), On: on, Target: "alice/secret", Reason: "secret", Invite: 7, Key: "secret"}
	for answer, told := range map[grants.Answer]bool{grants.Open: false, grants.Denied: false, grants.Void: false, grants.Approved: true} {
		data, err := json.Marshal(Begun{ShownRequest: q.shown(r.End(answer, "alice", "because"), bob)})
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, word := range []string{"secret", "alice/", `"owner"`, `"$1"`, `"@2"`, `"%3"`, `"view"`} {
			if strings.Contains(text, word) && !told {
				t.Errorf("%s: %q: %s", answer, word, text)
			}
		}
		if told != strings.Contains(text, `"pane":"%3"`) {
			t.Errorf("%s: %s", answer, text)
		}
	}
}
