package requests

import (
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// TestTellsOf: a chat is told the same as approvers are: also that somebody knocks, and
// by which invite.
func TestTellsOf(t *testing.T) {
	r := grants.Request{
		ID: "r1", Who: identity.Supposed(identity.Subject{Person: "bob", UID: -1}), What: "typist", Target: "alice/work",
		For: time.Hour, Reason: "<!here>", Answer: grants.Open,
	}
	if m := tellsOf(r, 2); m.Text != "bob asks for typist on alice/work for 1h0m0s; who may answer does at the host: muxward approvals" ||
		m.Invite != 0 || m.Need != 2 || m.Reason != "<!here>" {
		t.Errorf("%+v", m)
	}
	r.Invite = 7
	if m := tellsOf(r, 1); !strings.HasPrefix(m.Text, "bob knocks with invite 7, and asks for typist on alice/work") || m.Invite != 7 {
		t.Errorf("a knock: %+v", m)
	}
	r.Answer = grants.Denied
	if m := tellsOf(r, 1); m.Text != "denied: what bob asked for, typist on alice/work" {
		t.Errorf("its end: %+v", m)
	}
}
