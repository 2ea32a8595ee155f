package executor

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxLine is the longest answer that is taken, in characters.
	maxLine = 1000
	// shownLine is how much of its end is shown.
	shownLine = 50
)

// line is what a person types in answer to command-prompt.
type line struct {
	prompts []string
	begun   []string // what stands there at first
	done    []string // answers so far
	text    []rune
	single  bool // one key is an answer
}

// offersLine reports whether a command-prompt is one that is asked here.
func offersLine(inv *tmux.Invocation) bool {
	for _, f := range inv.Flags {
		if !strings.ContainsRune("1bIpTW", rune(f.Letter)) {
			return false
		}
	}
	return true
}

// line begins a command-prompt: its prompts, and what stands there at first.
func (e *errand) line(ctx context.Context, inv *tmux.Invocation) *line {
	l := &line{single: inv.Has('1')}
	each := func(value string) (all []string) {
		for _, one := range strings.Split(value, ",") {
			text, _ := e.words(ctx, one)
			all = append(all, text)
		}
		return all
	}
	switch prompts, given := inv.Get('p'); {
	case given:
		for _, p := range each(prompts) {
			l.prompts = append(l.prompts, p+" ")
		}
	case len(inv.Args) > 0:
		name, _, _ := strings.Cut(strings.TrimSpace(inv.Args[0]), " ")
		l.prompts = []string{"(" + name + ") "}
	default:
		l.prompts = []string{":"}
	}
	if begun, ok := inv.Get('I'); ok {
		l.begun = each(begun)
	}
	l.next()
	return l
}

// next begins the next answer.
func (l *line) next() {
	l.text = nil
	if at := len(l.done); at < len(l.begun) {
		l.text = []rune(l.begun[at])
	}
}

// shown is the line as it is now.
func (l *line) shown() string {
	text := l.text
	if len(text) > shownLine {
		text = append([]rune("…"), text[len(text)-shownLine:]...)
	}
	return l.prompts[len(l.done)] + string(text) + "_"
}

// edit takes a key to a line.
func (k *keyboard) edit(ctx context.Context, q *question, key string) error {
	l := q.line
	q.until = time.Now().Add(questionTime)
	q.timer.Reset(questionTime)
	switch key {
	case "Escape", "C-c", "C-g":
		return k.close(ctx, q, nil)
	case "BSpace", "C-h", "C-?":
		l.text = l.text[:max(len(l.text)-1, 0)]
	case "C-u":
		l.text = nil
	case "C-w":
		words := strings.TrimRight(string(l.text), " ")
		l.text = []rune(words[:strings.LastIndexByte(words, ' ')+1])
	case "Enter":
		return k.enter(ctx, q)
	case "Space":
		key = " "
		fallthrough
	default:
		if utf8.RuneCountInString(key) != 1 || len(l.text) >= maxLine {
			return nil
		}
		l.text = append(l.text, []rune(key)...)
		if l.single {
			return k.enter(ctx, q)
		}
	}
	k.s.att.Ask(l.shown())
	return nil
}

// enter takes an answer, and with the last one does what was asked for.
func (k *keyboard) enter(ctx context.Context, q *question) error {
	l := q.line
	if l.done = append(l.done, string(l.text)); len(l.done) < len(l.prompts) {
		l.next()
		k.s.att.Ask(l.shown())
		return nil
	}
	return k.close(ctx, q, func() ([]*tmux.Invocation, error) { return q.e.answered(ctx, q) })
}

// answered gives the commands that answers stand for: those of the template, or
// what the person has typed themselves.
func (e *errand) answered(ctx context.Context, q *question) ([]*tmux.Invocation, error) {
	if len(q.inv.Args) > 0 {
		for _, n := range q.inv.Nested() {
			return n.Filled(q.line.done, e.opts)
		}
	}
	base, _ := e.request(q.inv)
	base.Invocation = nil
	reqs, err := e.k.s.e.Gateway().ParseText(ctx, base, q.line.done[0])
	all := make([]*tmux.Invocation, len(reqs))
	for i := range reqs {
		all[i] = reqs[i].Invocation
	}
	return all, err
}
