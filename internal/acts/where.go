package acts

import (
	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// Where is an object as people's programs are told of it: in words, with ids as tmux writes them.
// Other sessions that hold its window are not in it, as who is told may not know of them.
type Where struct {
	Kind    string `json:"kind"`
	Owner   string `json:"owner,omitempty"`
	Session string `json:"session,omitempty"`
	Name    string `json:"name,omitempty"` // of the session
	Window  string `json:"window,omitempty"`
	Pane    string `json:"pane,omitempty"`
}

// WhereOf says where an object is.
func WhereOf(o access.Object) Where {
	w := Where{Kind: o.Kind.String(), Owner: o.Owner}
	if o.Kind >= access.Session {
		w.Session, w.Name = tmux.SessionID(o.Session.ID).String(), o.Session.Name
	}
	if o.Kind >= access.Window {
		w.Window = tmux.WindowID(o.Window.ID).String()
	}
	if o.Kind >= access.Pane {
		w.Pane = tmux.PaneID(o.Pane.ID).String()
	}
	return w
}

// Giver is who gave a grant, as they came in then. UID is nil where the door proved no account.
type Giver struct {
	Person  string `json:"person"`
	Account string `json:"account,omitempty"`
	UID     *int64 `json:"uid,omitempty"`
	Door    string `json:"door,omitempty"`
}

// GrantOf is a grant as it is told.
func GrantOf(g grants.Grant, counts bool) ShownGrant {
	return ShownGrant{Grant: g, Verbs: verbNames(g.Verbs), On: WhereOf(g.On), Giver: giverOf(g.Giver), Counts: counts}
}

func giverOf(s identity.Subject) Giver {
	by := Giver{Person: s.Person, Account: s.Account, Door: s.Door}
	if s.UID >= 0 {
		by.UID = &s.UID
	}
	return by
}

// RequestOf is a request as it is told, but for what depends on who is.
func RequestOf(r grants.Request) ShownRequest {
	return ShownRequest{Request: r, Verbs: verbNames(r.Verbs), On: WhereOf(r.On), From: r.Who.Person(), For: r.For.String()}
}

// LeaseOf is a lease as it is told, but for what depends on who is.
func LeaseOf(l grants.Lease) ShownLease {
	return ShownLease{Lease: l, On: WhereOf(l.On), Grace: l.Grace.String(), Next: l.Next}
}

// SuggestionOf is a suggestion as it is told, but for what depends on who is.
func SuggestionOf(v grants.Suggestion) ShownSuggestion {
	return ShownSuggestion{Suggestion: v, On: WhereOf(v.On), From: v.Who.Person()}
}

// DenialOf is a revocation or a lockdown as it is told.
func DenialOf(d grants.Denial) ShownDenial {
	d.Reason = ShortReason(d.Reason)
	return ShownDenial{Denial: d, Scope: WhereOf(d.Scope)}
}

// verbNames are the verbs' names; none are an empty list, which programs read.
func verbNames(s access.VerbSet) []string { return append([]string{}, s.Names()...) }
