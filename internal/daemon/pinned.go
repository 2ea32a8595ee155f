package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// pinnedCall is what somebody has asked for, so that it means the same whenever it is done: names
// are looked up when it is asked, and times are times.
type pinnedCall struct {
	// call has its targets with their owners, and no length of time.
	call ctld.Call
	// on is what it is about, nil if that is the host, or no object but something in force:
	// rests says then which. lost is set if what was named was not found.
	on    *access.Object
	lost  bool
	rests string
}

// errMoved is the end of what would not be what was asked for.
var errMoved = errors.New("nothing is done: what it is about has gone, has another name or place by now, or is not what it was when it was asked; ask for it again")

// pin looks up what a call names.
func (d *daemon) pin(ctx context.Context, who identity.Identity, c ctld.Call) (pinnedCall, error) {
	p := pinnedCall{call: c}
	switch c.Act {
	case "take-back":
		p.rests = d.rests(who, c)
		return p, nil
	case "grant":
		g, err := d.given.Asked(who, c)
		if err != nil {
			return p, err
		}
		p.call.For, p.call.From, p.call.Until = "", clockTime(g.NotBefore), clockTime(g.Until)
	case "revoke", "kick":
		var err error
		if p.call.Person, err = identity.CanonicalName(c.Person); err != nil {
			return p, err
		}
	}
	own := c.Act == "kick" || (c.Act == "lockdown" || c.Act == "unlock") && !c.All
	if c.Target == "" && own {
		c.Target = who.Person()
	}
	p.call.Target = acts.FullTarget(d.gateway, who, c.Target)
	if lifts(c) {
		p.rests = d.rests(who, p.call)
		return p, nil
	}
	if c.Target == "" {
		return p, nil
	}
	o, err := d.gateway.Named(ctx, who, p.call.Target, c.Act == "lockdown")
	lost := new(gateway.NotFound)
	if p.lost = errors.As(err, &lost); p.lost { // that there is none is not for whoever may type there
		err = nil
	}
	p.on = &o
	return p, err
}

// lifts reports whether a call takes back what was taken.
func lifts(c ctld.Call) bool { return c.Undo || c.Act == "unlock" }

// clockTime writes a time as calls have it.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// unmoved gives what an act is about as it is now, if that is the same thing still, and
// the asker may do that to it by all that it is now.
func (d *daemon) unmoved(ctx context.Context, who identity.Identity, a *gateway.Act, on access.Object) (access.Object, error) {
	if on.Kind <= access.Host {
		return on, nil
	}
	now, err := d.gateway.Named(ctx, who, gateway.ByID(on), a.Urgent)
	lost := new(gateway.NotFound)
	if err != nil && !errors.As(err, &lost) {
		return on, err
	}
	if err != nil || now.Key() != on.Key() {
		return on, errMoved
	}
	needs := []gateway.Need{{Verb: a.Verb, Object: now}}
	if a.Whole != 0 {
		needs = append(needs, gateway.Need{Whole: true, Verbs: a.Whole, Object: now, Apart: true})
	}
	for _, n := range needs {
		if dec := d.gateway.May(who, n); !dec.Allow {
			return now, &gateway.Refused{Decision: dec, Need: n}
		}
	}
	return now, nil
}

// rests tells what is in force that a call is about, each with when it came about: "" if
// it is about nothing of that kind.
func (d *daemon) rests(who identity.Identity, c ctld.Call) string {
	switch {
	case c.Act == "take-back":
		if g, ok := d.given.Find(c.ID); ok {
			return fmt.Sprint(g.ID, g.Who, g.What, g.Verbs, g.On.Key(), g.At.UnixNano(), g.Until.UnixNano())
		}
	case lifts(c):
		var all []string
		for _, den := range d.meant(who, liftedOf(c), c.Target) {
			all = append(all, fmt.Sprint(den.Person, den.Lock, den.Views, den.Scope.Key(), den.By, den.At.UnixNano()))
		}
		return strings.Join(all, "\n")
	}
	return ""
}

// liftedOf is whose denials a call lifts, "" for lockdowns.
func liftedOf(c ctld.Call) string {
	if c.Act == "unlock" {
		return ""
	}
	return c.Person
}

// args are the words of the command that it is, with what was found.
func (p pinnedCall) args() []string {
	c := p.call
	if c.Act == "take-back" {
		return acts.WithReason([]string{"grants", "take-back", strconv.FormatInt(c.ID, 10)}, c.Reason)
	}
	out := []string{c.Act}
	for _, word := range []string{c.Person, c.Role} {
		if word != "" {
			out = append(out, word)
		}
	}
	for _, flag := range [][2]string{{"--verbs", c.Verbs}, {"-t", c.Target}, {"--from", c.From}, {"--until", c.Until}} {
		if flag[1] != "" {
			out = append(out, flag[0], flag[1])
		}
	}
	if c.Target == "" && c.Act != "revoke" {
		out = append(out, "--host")
	}
	if c.Views {
		out = append(out, "--views")
	}
	if c.Undo {
		out = append(out, "--undo")
	}
	return acts.WithReason(out, c.Reason)
}

// command is the command that it is, in one line: no word of it can be taken for several, or
// for none.
func (p pinnedCall) command() string {
	words := []string{"muxward"}
	for _, word := range p.args() {
		words = append(words, quotedWord(word))
	}
	return strings.Join(words, " ")
}

// quotedWord writes a word so that where it begins and ends is seen: in quotes unless it is
// plain, with what is not seen, or changes how the rest looks, as its number.
func quotedWord(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_-./@%+=:$,", c)
	})
	if plain {
		return s
	}
	return strconv.QuoteToASCII(s)
}

// fieldsOf tells what would be done, for the person whose key does it: each with its name.
func (d *daemon) fieldsOf(who identity.Identity, p pinnedCall) (out []executor.Field) {
	c := p.call
	add := func(name, text string) { out = append(out, executor.Field{Name: name, Text: text}) }
	add("what is done", c.Act)
	switch {
	case c.Act == "take-back":
		d.takenBackFields(who, c, add)
	case lifts(c):
		n := 0
		for _, den := range d.meant(who, liftedOf(c), c.Target) {
			if den.Person == who.Person() || d.holds(who, den.Scope).Has(access.Kick) || d.holds(who, den.Scope).Has(access.Lock) {
				n++
				d.deniedFields(den, add)
			}
		}
		if n == 0 {
			add("lifts", "nothing that you may know of")
		}
	case c.Act == "grant":
		add("to whom", quotedWord(c.Person))
		add("which right", quotedWord(c.Role+c.Verbs))
		add("from", orElse(c.From, "now"))
		add("until", orElse(c.Until, "no limit"))
	case c.Act == "lockdown":
		add("for whom", map[bool]string{true: "everybody, and nobody looks on", false: "everybody"}[c.Views])
	default:
		add("from whom", quotedWord(c.Person))
	}
	if c.Act != "take-back" && !lifts(c) {
		add("on", d.placeOf(who, p))
	}
	if c.Reason != "" {
		add("reason given", quotedWord(c.Reason))
	}
	return out
}

func (d *daemon) takenBackFields(who identity.Identity, c ctld.Call, add func(name, text string)) {
	add("grant", strconv.FormatInt(c.ID, 10))
	if d.given.Usable() != nil {
		return
	}
	g, ok := d.given.Find(c.ID)
	if !ok || !d.given.Concerns(who, g) {
		add("of", "nobody that you may know of")
		return
	}
	add("of", quotedWord(g.Who))
	add("which right", quotedWord(g.What))
	add("until", orElse(clockTime(g.Until), "no limit"))
	add("given by", quotedWord(g.Giver.Person))
	add("on", onWhat(g.Target, g.On))
}

func (d *daemon) deniedFields(den grants.Denial, add func(name, text string)) {
	what := "what was taken from " + quotedWord(den.Person)
	if den.Lock {
		what = "a lockdown"
	}
	add("lifts", what+", by "+quotedWord(den.By)+" at "+clockTime(den.At))
	add("on", onWhat(den.Target, den.Scope))
}

// placeOf names what it is about, as far as somebody may know of that.
func (d *daemon) placeOf(who identity.Identity, p pinnedCall) string {
	switch {
	case p.on == nil:
		return "the whole host"
	case p.lost, p.on.Kind != access.Server && d.holds(who, *p.on) == 0:
		return quotedWord(p.call.Target) + ", which is not there as far as you may see"
	}
	return onWhat(p.call.Target, *p.on)
}

// onWhat names an object by the words that were used for it, its name and its ids.
func onWhat(target string, o access.Object) string {
	if o.Kind == access.Host {
		return "the whole host"
	}
	text := quotedWord(target)
	if name := gateway.Name(o); name != target {
		text += ", which is " + quotedWord(name)
	}
	if o.Kind == access.Server {
		return text + ", the whole server"
	}
	return text + " (" + o.String() + ")"
}

func orElse(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
