package executor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/tmux"
)

const (
	// maxLine is the longest answer that is taken, in characters.
	maxLine = 1000
	// shownLine is how much is shown of it before the cursor, and after it.
	shownLine, shownAfter = 50, 10
	// maxPrompts is how many answers a command has places for.
	maxPrompts = 9
)

// line is what a person types in answer to command-prompt.
type line struct {
	prompts []string
	begun   []string // what stands there at first
	done    []string // answers so far
	text    []rune
	at      int  // the cursor
	single  bool // one key is an answer
	number  bool // a key that is no digit ends it, and means what it means
	live    bool // what is done is done with each key
	last    string
}

// offersLine reports whether a command-prompt is one that is asked here. Those
// for numbers, and those that are answered with each key, are for looking back.
func offersLine(inv *tmux.Invocation, looks bool) bool {
	offered := "1bIpTW"
	if looks {
		offered += "Ni"
	}
	return inv.HasOnly(offered)
}

// line begins a command-prompt: its prompts, and what stands there at first.
func (e *errand) line(ctx context.Context, inv *tmux.Invocation) (*line, error) {
	l := &line{single: inv.Has('1'), number: inv.Has('N'), live: inv.Has('i')}
	prompts, given := inv.Get('p')
	begun, _ := inv.Get('I')
	if strings.Count(prompts, ",") >= maxPrompts {
		return nil, errors.New("it asks for more than there is a place for")
	}
	switch {
	case given:
		for one := range strings.SplitSeq(prompts, ",") {
			l.prompts = append(l.prompts, e.prompt(ctx, one)+" ")
		}
	case len(inv.Args) > 0:
		name, _, _ := strings.Cut(strings.TrimSpace(inv.Args[0]), " ")
		l.prompts = []string{"(" + name[:min(len(name), maxPrinted)] + ") "}
	default:
		l.prompts = []string{":"}
	}
	for i, one := range strings.SplitN(begun, ",", maxPrompts+1) {
		if i == len(l.prompts) {
			break
		}
		text := e.prompt(ctx, one)
		if saysCommands(inv) && !onlyNames(one, text) {
			text = ""
		}
		l.begun = append(l.begun, text)
	}
	l.next()
	if l.live { // what stands there is searched for when it is asked for
		l.last, l.text, l.at = string(l.text), nil, 0
	}
	return l, nil
}

// prompt is a prompt, or what stands there at first, with what a format in it
// comes to: while one looks back, of that too.
func (e *errand) prompt(ctx context.Context, one string) string {
	if e.k.look != nil {
		if text, ok := e.k.look.expand(one); ok {
			return text
		}
	}
	text, _ := e.words(ctx, one)
	return text
}

// saysCommands reports whether the answer is text of the command language.
func saysCommands(inv *tmux.Invocation) bool {
	for _, n := range inv.Nested() {
		return n.IsAnswer()
	}
	return true
}

// onlyNames reports whether what a format has come to says no more commands than
// the format did: names and titles in it may be anybody's choice.
func onlyNames(format, text string) bool {
	if strings.ContainsAny(text, "{}\n") {
		return false
	}
	for _, c := range "\"'\\;$~" {
		if strings.Count(text, string(c)) > strings.Count(format, string(c)) {
			return false
		}
	}
	return true
}

// next begins the next answer.
func (l *line) next() {
	l.text = nil
	if at := len(l.done); at < len(l.begun) {
		l.text = []rune(l.begun[at])
		l.text = l.text[:min(len(l.text), maxLine)]
	}
	l.at = len(l.text)
}

// shown is the prompt, and the line as it is now.
func (l *line) shown() (prompt, text string) {
	from, to := max(l.at-shownLine, 0), min(l.at+shownAfter, len(l.text))
	text = string(l.text[from:l.at]) + "_" + string(l.text[l.at:to])
	if from > 0 {
		text = "…" + text
	}
	return l.prompts[len(l.done)], text
}

// insert puts text in at the cursor: what can be shown of it, as long as there is
// room.
func (l *line) insert(text string) {
	var put []rune
	for _, c := range text {
		if unicode.IsPrint(c) && c != utf8.RuneError && len(l.text)+len(put) < maxLine {
			put = append(put, c)
		}
	}
	l.text = append(l.text[:l.at:l.at], append(put, l.text[l.at:]...)...)
	l.at += len(put)
}

// cut takes away what is between two places, and leaves the cursor there.
func (l *line) cut(from, to int) {
	from, to = max(from, 0), min(to, len(l.text))
	if from < to {
		l.text = append(l.text[:from:from], l.text[to:]...)
		l.at = from
	}
}

// word is where the word before the cursor begins.
func (l *line) word() int {
	at := l.at
	for at > 0 && l.text[at-1] == ' ' {
		at--
	}
	for at > 0 && l.text[at-1] != ' ' {
		at--
	}
	return at
}

// key takes a key that moves in the line or changes it, as the keys of Emacs do
// in tmux, and reports whether it was one.
func (l *line) key(key string) bool {
	switch key {
	case "BSpace", "C-h", "C-?":
		l.cut(l.at-1, l.at)
	case "DC", "C-d":
		l.cut(l.at, l.at+1)
	case "C-u":
		l.cut(0, len(l.text))
	case "C-k":
		l.cut(l.at, len(l.text))
	case "C-w":
		l.cut(l.word(), l.at)
	case "Left", "C-b":
		l.at = max(l.at-1, 0)
	case "Right", "C-f":
		l.at = min(l.at+1, len(l.text))
	case "Home", "C-a":
		l.at = 0
	case "End", "C-e":
		l.at = len(l.text)
	default:
		if key == "Space" {
			key = " "
		}
		if utf8.RuneCountInString(key) != 1 {
			return false
		}
		l.insert(key)
	}
	return true
}

// edit takes a key to a line.
func (k *keyboard) edit(ctx context.Context, q *question, key string) error {
	l := q.line
	if l.number && (len(key) != 1 || key[0] < '0' || key[0] > '9') && key != "BSpace" {
		return k.beyond(ctx, q, key)
	}
	if l.live && (key == "C-s" || key == "C-r") {
		return k.further(ctx, q, key)
	}
	switch key {
	case "Escape", "C-c", "C-g":
		return k.close(ctx, q, nil)
	case "Enter":
		if l.live { // it has been done
			return k.close(ctx, q, nil)
		}
		return k.enter(ctx, q)
	}
	was := len(l.text)
	if !l.key(key) {
		return nil
	}
	if l.single && len(l.text) > was {
		return k.enter(ctx, q)
	}
	if l.live {
		if err := k.live(ctx, q, "="); err != nil {
			return err
		}
	}
	k.s.att.Ask(l.shown())
	return nil
}

// beyond is a key behind a number: the number is entered, unless the key ends
// questions, and the key pressed.
func (k *keyboard) beyond(ctx context.Context, q *question, key string) error {
	switch key {
	case "Escape", "C-c", "C-g":
		return k.close(ctx, q, nil)
	}
	if err := k.enter(ctx, q); err != nil || key == "Enter" || k.ask != nil {
		return err
	}
	_, err := k.Press(ctx, key)
	return err
}

// further searches on for what is being typed, or for what was the last time.
func (k *keyboard) further(ctx context.Context, q *question, key string) error {
	how := "-"
	if key == "C-s" {
		how = "+"
	}
	if l := q.line; len(l.text) == 0 {
		l.text, how = []rune(l.last), "="
		l.at = len(l.text)
	}
	err := k.live(ctx, q, how)
	k.s.att.Ask(q.line.shown())
	return err
}

// live does what a prompt is for while it is being answered.
func (k *keyboard) live(ctx context.Context, q *question, how string) error {
	for _, n := range q.inv.Nested() {
		all, err := n.Filled([]string{how + string(q.line.text)}, q.e.opts)
		if err != nil {
			return nil // what is typed so far is no command
		}
		for _, inv := range all {
			if inMode(inv) && k.looking() {
				if err := k.look.keys(ctx, inv); err != nil {
					k.s.att.Notice(q.e.told(inv.Row.Name+": ", err))
				}
			}
		}
	}
	return nil
}

// enter takes an answer, and with the last one does what was asked for.
func (k *keyboard) enter(ctx context.Context, q *question) error {
	l := q.line
	if l.done = append(l.done, string(l.text)); q.takes != nil {
		if err := q.takes(l.done); err != nil {
			k.unasked()
			k.s.att.Notice("not asked: " + err.Error())
			return nil
		}
	}
	if len(l.done) < len(l.prompts) {
		l.next()
		k.s.att.Ask(l.shown())
		return nil
	}
	if q.then != nil {
		return q.goesOn(ctx, k)
	}
	return k.close(ctx, q, func() ([]*tmux.Invocation, error) { return q.e.answered(ctx, q) })
}

// aliased reports whether a line may hold words of the server's owner, by a
// command-alias.
func (e *errand) aliased(line string) bool {
	return slices.ContainsFunc(e.opts.Aliases, func(a tmux.CommandAlias) bool { return strings.Contains(line, a.Name) })
}

// answered gives the commands that answers stand for: those of the template, or
// what the person has typed themselves.
func (e *errand) answered(ctx context.Context, q *question) ([]*tmux.Invocation, error) {
	e.author = binder
	if !saysCommands(q.inv) {
		if nested := q.inv.Nested(); len(nested) > 0 {
			commands, err := nested[0].Filled(q.line.done, e.opts)
			if err != nil {
				return nil, e.unread(ctx, err)
			}
			e.author = both
			return commands, nil
		}
	}
	if !e.aliased(q.line.done[0]) {
		e.author = person
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
