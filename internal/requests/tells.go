package requests

import (
	"fmt"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/tmux"
)

// hooked is what a hook is told of a request: no more than who may answer it is told.
type hooked struct {
	// Text is one line for people. It holds nothing in the asker's own words, which may
	// mean something where it is shown.
	Text    string `json:"text"`
	Request string `json:"request"`
	// Answer is open, or how it ended, and By whose answer that was.
	Answer string `json:"answer"`
	By     string `json:"by,omitempty"`
	From   string `json:"from"`
	What   string `json:"what"`
	Target string `json:"target"`
	For    string `json:"for"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
	// Invite is by which they have knocked; Reason is its giver's then.
	Invite int64     `json:"invite,omitempty"`
	Need   int       `json:"need"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// tellAfter is how long it is of use to tell how a request ended.
const tellAfter = 5 * time.Minute

// tellHook tells what is asked for, or what became of it. It waits for nobody.
func (q *Requests) tellHook(r grants.Request) {
	if q.Hook == nil {
		return
	}
	until := r.Until
	if r.Answer != grants.Open {
		until = q.Gateway.Time().Add(tellAfter)
	}
	q.Hook.Tell(tellsOf(r, q.Policy.Set().Quorum(r.On).Need), until)
}

// tellsOf is what a hook is told of a request that takes so many answers.
func tellsOf(r grants.Request, need int) hooked {
	m := hooked{
		Request: r.ID, Answer: string(r.Answer), By: r.By, From: r.Who.Person(), What: r.What, Target: acts.TargetName(r.Target),
		For: r.For.String(), Reason: acts.ShortReason(r.Reason), Why: acts.ShortReason(r.Why), Need: need,
		At: r.At, Until: r.Until, Invite: r.Invite,
	}
	m.Text = fmt.Sprintf("%s %s for %s on %s for %s; who may answer does at the host: muxward approvals", m.From, asksHow(r), m.What, m.Target, m.For)
	if r.Answer != grants.Open {
		m.Text = fmt.Sprintf("%s: what %s asked for, %s on %s", r.Answer, m.From, m.What, m.Target)
	}
	m.Text = plainly(m.Text)
	return m
}

// plainly is a line that means itself in a chat: names in it address nobody, and make no
// link or markup.
func plainly(text string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("<>&@*_`~|[]", c) {
			return '?'
		}
		return c
	}, tmux.Clean(text))
}
