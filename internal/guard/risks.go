package guard

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
)

const (
	// maxTold is how many risks are told one by one: what a program in a pane
	// can make many of must not fill the log.
	maxTold = 10
	// maxFirst is how many are until what a server has counts as its configuration:
	// what was there when it was started, or adopted, is listed once.
	maxFirst = 200
	// maxText is how much of one of them is told.
	maxText = 500
)

// risk is something about a server that weakens what muxward promises.
type risk struct {
	// key is what it is compared by: it stays the same while the matter does,
	// however many windows come and go.
	key  string
	text string // for people
	// drift is what no configuration changes by itself: when it comes later,
	// somebody who acts as the owner has done it, perhaps from inside a pane.
	drift bool
	// always is an alarm, whenever it is found.
	always bool
	// twice is told once it was found in two looks running, as one look can
	// find it where nothing is wrong.
	twice bool
	// usual: it is told of if it is an alarm, and else only kept.
	usual bool
	// late: there can be many of them, so they are told after others.
	late bool
	hook hook // if it is about one
	// undo are the commands of tmux's that take it away; none if people have to.
	undo [][]string
}

// riskList is what is known of one part of a look. With Server.mu held.
type riskList struct {
	risks []risk
	doubt map[string]bool // found once, and whether as an alarm
	// settled: what is new has come after the configuration.
	settled bool
}

// change takes over what a look has found, and gives what is new and what has
// gone. With Server.mu held.
func (l *riskList) change(found []risk) (alarms, others, gone []risk) {
	before, usual := map[string]bool{}, map[string]bool{}
	for _, r := range l.risks {
		before[r.key], usual[r.key] = true, r.usual
	}
	doubt, now := map[string]bool{}, map[string]bool{}
	var kept []risk
	for _, r := range found {
		if now[r.key] {
			continue
		}
		alarm := r.always || r.drift && l.settled
		if r.twice && !before[r.key] {
			first, again := l.doubt[r.key]
			if !again {
				doubt[r.key] = alarm
				continue
			}
			alarm = first
		}
		now[r.key] = true
		r.usual = r.usual && (usual[r.key] || !before[r.key] && !alarm)
		kept = append(kept, r)
		switch {
		case before[r.key]:
		case alarm:
			alarms = append(alarms, r)
		case !r.usual:
			others = append(others, r)
		}
	}
	for _, r := range l.risks {
		if !now[r.key] && !r.usual {
			gone = append(gone, r)
		}
	}
	l.risks, l.doubt = kept, doubt
	return alarms, others, gone
}

// compare tells which risks are new and which have gone. After a whole look
// that began when the configuration had had its time, what is new has come from
// elsewhere.
func (s *Server) compare(l *riskList, found []risk, settles bool) {
	s.mu.Lock()
	alarms, others, gone := l.change(found)
	most := maxTold
	if !l.settled {
		most = maxFirst
	}
	l.settled = l.settled || settles
	s.mu.Unlock()
	s.tellRisks(access.EventAlarm, "risk: new on the tmux server of "+s.kept.Owner+": ", alarms, most)
	s.tellRisks(access.EventServer, "risk: ", others, most)
	s.tellRisks(access.EventServer, "no risk any more: ", gone, most)
}

// tellRisks tells the first of them, some in each notice.
func (s *Server) tellRisks(kind access.EventKind, intro string, list []risk, most int) {
	for len(list) > maxTold && most > maxTold {
		s.g.tell(kind, s, intro+strings.Join(texts(list[:maxTold]), "; "))
		list, most = list[maxTold:], most-maxTold
	}
	if len(list) > 0 {
		s.g.tell(kind, s, intro+strings.Join(texts(list), "; "))
	}
}

// texts are the words for the first of them, and how many there are beside.
func texts(list []risk) []string {
	var all []string
	for _, r := range list[:min(len(list), maxTold)] {
		all = append(all, clip(r.text, maxText))
	}
	if n := len(list) - maxTold; n > 0 {
		all = append(all, fmt.Sprintf("and %d more", n))
	}
	return all
}

// clip shortens text to n bytes and a mark that it did.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// Risks are what about the server weakens what muxward promises its owner's
// guests, for people: as last seen by the watch, which looks every few seconds.
func (s *Server) Risks() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(texts(s.seen.state.risks), texts(s.seen.hooks.risks), texts(slices.DeleteFunc(slices.Clone(s.seen.traps.risks), func(r risk) bool { return r.usual })))
}

// settles reports whether what is there when a look begins now is the last that
// counts as the server's configuration.
func (s *Server) settles() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.readyAt) >= s.g.opt.Settle
}
