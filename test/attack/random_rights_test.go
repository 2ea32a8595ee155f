package attack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// spell is a time in which something was taken from people: from when the command that takes it has returned 0.
type spell struct {
	oracle  string   // of revoke, kick, lockdown
	letters []string // whose
	by      string
	args    []string // what takes it
	undo    []string
	// marks were typed while it lasted, where all who typed had ended what they did, and muxward knew it, before
	// it was undone: none of them ever arrives.
	marks []string
}

// someSpell is one of the ways in which an owner, or root, takes something.
func (p *play) someSpell(r *rand.Rand) *spell {
	revoke := func(letter string) *spell {
		who := p.guests[letter].who
		return &spell{oracle: "revoke", letters: []string{letter}, by: root, args: []string{"revoke", who, "--reason", "x"}, undo: []string{"revoke", "--undo", who}}
	}
	kick := func(letter string) *spell {
		who := p.guests[letter].who
		return &spell{oracle: "kick", letters: []string{letter}, by: owner, args: []string{"kick", who}, undo: []string{"kick", "--undo", who}}
	}
	lockdown := func(letters []string, args ...string) *spell {
		unlock := []string{"unlock"}
		if args[0] == "-t" {
			unlock = append(unlock, args...)
		}
		return &spell{oracle: "lockdown", letters: letters, by: owner, args: append([]string{"lockdown"}, args...), undo: unlock}
	}
	all := []string{"C", "M", "W"}
	if p.control { // a lockdown is not made undone by leaving out this check
		return any1(r, revoke, kick)(any1(r, "C", "W"))
	}
	switch r.IntN(10) {
	case 0, 1:
		return revoke("C")
	case 2:
		return revoke("W")
	case 3:
		return revoke("M")
	case 4:
		return kick("C")
	case 5:
		return kick("W")
	case 6:
		return lockdown(all, "--reason", "x")
	case 7:
		return lockdown(all, "--views")
	case 8:
		return lockdown([]string{"C", "W"}, "-t", "mwalice/shared")
	default:
		return revoke("B")
	}
}

// rights takes things and gives them back, until the round is over: when its time is, and something was taken.
func (p *play) rights(r *rand.Rand, until time.Time) {
	last := until.Add(2 * tmuxtest.Patience)
	for !p.over() && time.Now().Before(last) {
		if (p.control || time.Now().After(until)) && p.enough() {
			return
		}
		switch n := r.IntN(12); {
		case n == 0:
			p.WritePolicy("grants.yaml", p.grants()+fmt.Sprintf("# %d\n", r.Int()))
			p.Signal(syscall.SIGHUP)
			p.notes("reload", "")
		case n == 1:
			p.leases(r)
		default:
			p.takes(r, p.someSpell(r))
		}
		p.rests(r, 300*time.Millisecond)
	}
}

func (p *play) grants() string {
	if p.control {
		return looseGrants
	}
	return randomGrants
}

// leases has the typist's pane be one person's at a time for a while.
func (p *play) leases(r *rand.Rand) {
	const pane = "shared:0.0"
	for _, c := range [][]string{{owner, "lease", "on", "-t", pane}, {typist, "lease", "ask", "-t", "mwalice/" + pane},
		{owner, "lease", "take", "-t", pane}, {owner, "lease", "off", "-t", pane}} {
		got := p.Muxward(c[0], c[1:]...)
		p.notes("lease", "%s %q: %d %s", c[0], c[1:], got.Code, got.Err)
		p.rests(r, 200*time.Millisecond)
	}
}

// takes has something be taken, looks whether it is, and gives it back: in every other case when all of whom it was
// have ended what they did, so that what they typed meanwhile was typed for good.
func (p *play) takes(r *rand.Rand, s *spell) {
	got := p.Muxward(s.by, s.args...)
	if got.Code != 0 {
		p.notes("not taken", "%q: %d %s%s", s.args, got.Code, got.Out, got.Err)
		p.gives(s)
		return
	}
	p.notes("spell", "%q by %s", s.args, s.by)
	p.during(s)
	from := map[string]string{}
	for _, letter := range s.letters {
		from[letter] = p.fence(letter)
	}
	p.rests(r, 500*time.Millisecond)
	whole := r.IntN(2) == 0
	if whole {
		for _, letter := range s.letters {
			defer p.guests[letter].away()()
		}
		p.leftBy(s.letters)
	}
	for letter, word := range from {
		p.between(s, letter, word, p.fence(letter))
	}
	p.during(nil)
	if whole {
		p.mu.Lock()
		p.spells = append(p.spells, s)
		p.mu.Unlock()
		p.notes("spell in full", "%d marks", len(s.marks))
	}
	p.gives(s)
}

// during says what marks that are typed from now on are typed in spite of.
func (p *play) during(s *spell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spell = s
}

// gives undoes a spell. What takes its time to be so is asked for again.
func (p *play) gives(s *spell) {
	var last string
	if !soon(func() bool {
		r := p.Muxward(s.by, s.undo...)
		last = r.Out + r.Err
		return r.Code == 0 || strings.Contains(last, "there is no") || p.over()
	}) {
		p.t.Errorf("%q is not undone: %s", s.args, last)
	}
	p.notes("undo", "%q: %s", s.undo, last)
}

// leftBy waits until muxward knows that people have ended what they did.
func (p *play) leftBy(letters []string) {
	var out string
	if p.control { // without the check nobody notices, and it is not waited for
		return
	}
	if !soon(func() bool {
		out = p.Muxward(root, "who", "--json").Out
		return out != "" && !slices.ContainsFunc(letters, func(l string) bool { return strings.Contains(out, `"`+p.guests[l].who+`"`) })
	}) {
		p.finds("calm", "people have left, and are said to be there: %s", out)
	}
}

// fence types a word into a guest's pane, past muxward, and waits until it is there. What comes behind it was typed
// later. Without a pane, or when that has been ended, there is none.
func (p *play) fence(letter string) string {
	g := p.guests[letter]
	if g.rec == nil {
		return ""
	}
	p.fences++
	word := fmt.Sprintf("F%06d|", p.fences)
	if _, err := p.server.Try("set-buffer", "-b", "fence", word, ";", "paste-buffer", "-d", "-b", "fence", "-t", g.pane); err != nil {
		if letter != "M" && p.sameServer() {
			p.t.Errorf("the pane of %s has gone: %v", g.who, err)
		}
		return ""
	}
	arrives := func() bool { return bytes.Contains(g.rec.Bytes(), []byte(word)) }
	if letter == "M" { // she may end her program, whenever she likes
		if !within(time.Second, arrives) {
			return ""
		}
		return word
	}
	if !soon(arrives) && p.sameServer() {
		p.t.Errorf("what is typed past muxward does not arrive in the pane of %s", g.who)
		return ""
	}
	return word
}

// between looks at what came into a pane between two fences, while nothing might.
func (p *play) between(s *spell, letter, from, to string) {
	if from == "" || to == "" {
		return
	}
	_, text, found := bytes.Cut(p.guests[letter].rec.Bytes(), []byte(from))
	text, _, ends := bytes.Cut(text, []byte(to))
	if p.control { // others may type there, too
		text = bytes.Join(slices.DeleteFunc(marked.FindAll(text, -1), func(m []byte) bool { return string(m[:1]) != letter }), nil)
	}
	if found && ends && len(text) > 0 {
		p.finds(s.oracle, "%q had returned, and %s's pane got %q", s.args, p.guests[letter].who, clip(text))
	}
	p.notes("looked", "")
}
