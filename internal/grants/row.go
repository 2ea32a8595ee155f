package grants

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// row is a grant as it lies on disk. It says everything in words: what they mean
// does not move when a verb or a kind is added before another.
type row struct {
	ID        int64     `json:"id"`
	Who       string    `json:"who"`
	What      string    `json:"what"`
	Verbs     []string  `json:"verbs"`
	On        rowObject `json:"on"`
	Target    string    `json:"target"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	Giver     rowGiver  `json:"giver"`
	Source    string    `json:"source"`
	Invite    int64     `json:"invite,omitempty"`
	Key       string    `json:"key,omitempty"`
	At        time.Time `json:"at"`
	// Pending: it is not on record yet. Such a row was never in force.
	Pending bool `json:"pending,omitempty"`
}

type rowObject struct {
	Kind        string `json:"kind"`
	Owner       string `json:"owner,omitempty"`
	Incarnation string `json:"incarnation,omitempty"`
	Session     uint32 `json:"session"`
	Name        string `json:"session_name,omitempty"`
	Index       int    `json:"window_index"`
	Window      uint32 `json:"window"`
	Pane        uint32 `json:"pane"`
	PaneIndex   int    `json:"pane_index"`
}

type rowGiver struct {
	Person  string `json:"person"`
	Account string `json:"account,omitempty"`
	UID     int64  `json:"uid"`
	Door    string `json:"door,omitempty"`
	MFA     bool   `json:"mfa,omitempty"`
}

func rowOf(g Grant, pending bool) row {
	r := row{
		ID: g.ID, Who: g.Who, What: g.What, Target: g.Target, NotBefore: g.NotBefore, Until: g.Until,
		Reason: g.Reason, Source: g.Source, Invite: g.Invite, Key: g.Key, At: g.At, Pending: pending,
		On: rowObject{
			Kind: g.On.Kind.String(), Owner: g.On.Owner, Incarnation: g.On.Incarnation,
			Session: g.On.Session.ID, Name: g.On.Session.Name, Index: g.On.Session.Index,
			Window: g.On.Window.ID, Pane: g.On.Pane.ID, PaneIndex: g.On.Pane.Index,
		},
		Giver: rowGiver{g.Giver.Person, g.Giver.Account, g.Giver.UID, g.Giver.Door, g.Giver.MFA},
	}
	r.Verbs = g.Verbs.Names()
	return r
}

// grant gives the grant of a row. An error is not for what is damaged: sums have
// been compared before.
func (r row) grant() (Grant, error) {
	g, err := r.given()
	if err != nil {
		return g, err
	}
	return g, g.check()
}

// given gives what a row says, whoever gets it.
func (r row) given() (Grant, error) {
	g := Grant{
		ID: r.ID, Who: r.Who, What: r.What, Target: r.Target, NotBefore: r.NotBefore, Until: r.Until,
		Reason: r.Reason, Source: r.Source, Invite: r.Invite, Key: r.Key, At: r.At, State: Given,
		On: access.Object{
			Owner: r.On.Owner, Incarnation: r.On.Incarnation,
			Session: access.SessionRef{ID: r.On.Session, Name: r.On.Name, Index: r.On.Index},
			Window:  access.WindowRef{ID: r.On.Window}, Pane: access.PaneRef{ID: r.On.Pane, Index: r.On.PaneIndex},
		},
		Giver: identity.Subject{Person: r.Giver.Person, Account: r.Giver.Account, UID: r.Giver.UID, Door: r.Giver.Door,
			MFA: r.Giver.MFA},
	}
	for _, word := range r.Verbs {
		v, err := access.ParseVerb(word)
		if err != nil {
			return g, err
		}
		g.Verbs = g.Verbs.With(access.SetOf(v))
	}
	for g.On.Kind.String() != r.On.Kind {
		if g.On.Kind++; g.On.Kind > access.Pane {
			return g, fmt.Errorf("there is no kind of object %q", r.On.Kind)
		}
	}
	return g.plain(), nil
}

// change is a row to be put in the place of the one of its number, or with no
// body one to be removed.
type change struct {
	id   int64
	body string
}

// changeTo writes a grant as a row. What does not come out of it as it went in is
// refused here, before anything rests on it.
func changeTo(g Grant, pending bool) (change, error) {
	if err := g.check(); err != nil {
		return change{}, err
	}
	body, err := encode(rowOf(g, pending))
	if err != nil {
		return change{}, err
	}
	back, waits, err := readBody(body)
	if err != nil {
		return change{}, err
	}
	giver := g.Giver
	giver.Inside = "" // check has refused what comes from inside a pane, and it is not kept
	if waits != pending || back.ID != g.ID || back.Verbs != g.Verbs || back.On.Key() != g.On.Key() || back.Giver != giver ||
		!back.Until.Equal(g.Until) || !back.NotBefore.Equal(g.NotBefore) || back.Invite != g.Invite || back.Key != g.Key {
		return change{}, errors.New("it would be read as another")
	}
	return change{g.ID, body}, nil
}

func encode(row any) (string, error) {
	body, err := json.Marshal(row)
	return string(body), err
}

func readBody(body string) (g Grant, pending bool, err error) {
	var r row
	if err := strict([]byte(body), &r); err != nil {
		return g, false, err
	}
	g, err = r.grant()
	return g, r.Pending, err
}
