package gateway

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// offers is a host with one profile, prod.
type offers struct{}

func (offers) Names() []string { return []string{"prod"} }
func (offers) Session(profile, person string) (string, bool, bool) {
	return person, false, profile == "prod"
}
func (offers) Gone(string) bool                            { return false }
func (offers) Start(context.Context, string, string) error { return nil }

// hides is a policy by which mallory knows of nothing.
type hides struct{ rules }

func (*hides) Blind(who identity.Subject, _ access.Object, _ time.Time) bool {
	return who.Person == "mallory"
}

// What mallory does by the name of a profile that she may not know of comes to the same as by a
// name that means nothing: also what governs, and what holds for servers that are not there.
func TestProfilesHaveNoNameForOthers(t *testing.T) {
	g := newGateway(t, &hides{})
	g.Servers, g.Profiles = only{shared{}}, offers{}
	find := func(person, target string, act Act) (access.Object, string) {
		t.Helper()
		act.Target = target
		who := identity.Supposed(identity.Subject{Person: person, UID: -1})
		p, err := g.resolveAct(t.Context(), nil, Request{Identity: who, Act: &act})
		text := ""
		if err != nil {
			text = strings.ReplaceAll(err.Error(), target, "NAME")
		}
		return p.Object, text
	}
	for what, act := range map[string]Act{
		"lock": {Verb: access.Lock}, "unlock": {Verb: access.Lock, Lasting: true, Open: true},
		"revoke": {Verb: access.Kick, Lasting: true}, "kick": {Verb: access.Kick, Urgent: true},
	} {
		there, said := find("mallory", "prod", act)
		not, says := find("mallory", "none", act)
		if !reflect.DeepEqual(there, not) || said != says {
			t.Errorf("%s: mallory is told %q of a profile, and %q of nothing (%+v, %+v)", what, said, says, there, not)
		}
		if is, _ := find("alice", "prod", act); is.Owner != "prod" {
			t.Errorf("%s: alice finds %+v", what, is)
		}
	}
}
