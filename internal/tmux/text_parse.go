package tmux

import (
	"fmt"
	"strings"
)

// The most that one text may hold at one time: tmux's parser keeps what it has
// not finished on a stack of bounded size.
const (
	maxDepth = 100
	maxOpen  = 8192
)

// textCommand is one command of a text before anybody knows what its words
// mean.
type textCommand struct {
	words []word
	at    int
	line  int // where tmux counts it; neighbours of one line are one group
}

// word is one word of a command.
type word struct {
	text  string
	block *textBlock // set for a block, whose text is its source
	at    int
}

// textBlock is an argument in braces: commands that are parsed with the text.
type textBlock struct {
	commands []textCommand
	built    *Block // set if it was parsed before
}

// parser reads the grammar. What takes effect while tmux parses (assignments,
// conditions) is done at the same point here: before the next token is read.
// A fault stays: from then on there are only tkFail tokens.
type parser struct {
	lexer
	tok         token // the token that is read ahead
	scopes      []bool
	assignments []Assignment
	assignedAt  []int
	depth, open int
	// Until 3.5 an assignment looked at the innermost condition only.
	innermost bool
}

func newParser(text string, opts *ParseOptions) *parser {
	v := opts.Version
	p := &parser{innermost: !v.AtLeast(v36)}
	p.lexer = lexer{
		reader: reader{text: text}, expand: opts.Expand,
		carriage: v.AtLeast(v35), counted: v.AtLeast(v36), bounded: v.AtLeast(v37),
	}
	// NUL ends a string of tmux's, and 0xff is the end of a text to it in some
	// places and a byte in others.
	for _, c := range []byte{0, 0xff} {
		if i := strings.IndexByte(text, c); i >= 0 && (p.fault == nil || i < p.fault.at) {
			p.fault = &fault{at: i, ParseError: ParseError{
				Reason: Unreadable, Text: fmt.Sprintf(`byte \%03o cannot stand in command text`, c),
			}}
		}
	}
	p.advance()
	return p
}

func (p *parser) advance() {
	if p.fault != nil {
		p.tok = token{kind: tkFail, at: p.fault.at}
		return
	}
	p.tok = p.next()
}

// refuse makes the token that was not expected the place of a syntax error.
func (p *parser) refuse() {
	p.syntax(p.tok.at)
	p.advance()
}

// expect passes over a token of this kind, or refuses what is there instead.
func (p *parser) expect(kind tokenKind) bool {
	if p.tok.kind != kind {
		p.refuse()
		return false
	}
	p.advance()
	return true
}

// enter bounds how deep a text may nest.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok.at, TooMany, fmt.Sprintf("nested too deeply (at most %d)", maxDepth))
		p.advance()
		return false
	}
	return true
}

// lines reads the whole text.
func (p *parser) lines() []textCommand {
	var all []textCommand
	for p.tok.kind != tkEnd {
		all = append(all, p.statement()...)
		if !p.expect(tkNewline) {
			return nil
		}
	}
	return all
}

// live reports whether the condition around this point is true. As in tmux only
// the innermost counts here; the outer ones drop what is not theirs later.
func (p *parser) live() bool { return len(p.scopes) == 0 || p.scopes[len(p.scopes)-1] }

// statement reads what one line may hold.
func (p *parser) statement() []textCommand {
	var list []textCommand
	switch p.tok.kind {
	case tkHidden:
		p.advance()
		if p.tok.kind != tkEquals {
			p.refuse()
			return nil
		}
		p.assign(true)
		p.advance()
		return nil
	case tkIf:
		taken := p.ifOpen()
		if p.tok.kind == tkNewline {
			list = p.condition(taken, p.block)
		} else {
			list = p.commands(p.condition(taken, p.inline))
		}
	case tkWord, tkEquals:
		list = p.commands(p.keep(nil, p.command()))
	}
	if !p.live() {
		return nil
	}
	return list
}

// block reads the lines of a condition's branch.
func (p *parser) block() []textCommand {
	if !p.expect(tkNewline) {
		return nil
	}
	var all []textCommand
	for {
		all = append(all, p.statement()...)
		if !p.expect(tkNewline) {
			return nil
		}
		switch p.tok.kind {
		case tkElif, tkElse, tkEndif, tkFail, tkEnd:
			return all
		}
	}
}

// inline reads a condition's branch that is written within one line.
func (p *parser) inline() []textCommand {
	switch p.tok.kind {
	case tkIf:
		taken := p.ifOpen()
		return p.commands(p.condition(taken, p.inline))
	case tkWord, tkEquals:
		return p.commands(p.keep(nil, p.command()))
	}
	p.refuse()
	return nil
}

// ifOpen reads %if and its format.
func (p *parser) ifOpen() bool {
	p.enter()
	taken := p.decide()
	p.scopes = append(p.scopes, taken)
	p.advance()
	return taken
}

// decide reads the format behind %if or %elif and decides it. The format stays
// the token read ahead, so that nothing behind it is read too early.
func (p *parser) decide() bool {
	at, word := p.tok.at, p.tok.text
	p.advance()
	if p.tok.kind != tkFormat && p.tok.kind != tkWord {
		p.refuse()
		return false
	}
	if p.expand == nil || p.expand.Condition == nil {
		p.fail(at, NotExpanded, word+": conditions are not decided here; write out what is meant")
		return false
	}
	if p.expand.Early {
		for name := range p.assigned {
			if strings.Contains(p.tok.text, name) {
				p.fail(at, NotExpanded, word+": "+name+" is set in the same text; set it in a line of its own before")
				return false
			}
		}
	}
	return p.expand.Condition(p.tok.text)
}

// condition reads the branches of a condition up to %endif and returns the one
// that counts.
func (p *parser) condition(taken bool, branch func() []textCommand) []textCommand {
	var list []textCommand
	if body := branch(); taken {
		list = body
	}
	for p.tok.kind == tkElif {
		now := p.decide()
		p.scopes[len(p.scopes)-1] = now
		p.advance()
		if body := branch(); now && !taken {
			list, taken = body, true
		}
	}
	if p.tok.kind == tkElse {
		p.scopes[len(p.scopes)-1] = !p.live()
		p.advance()
		if body := branch(); !taken {
			list = body
		}
	}
	if p.tok.kind != tkEndif {
		p.refuse()
		return nil
	}
	p.scopes = p.scopes[:len(p.scopes)-1]
	p.depth--
	p.advance()
	return list
}

// commands reads what follows the first command of a line.
func (p *parser) commands(list []textCommand) []textCommand {
	for p.tok.kind == tkSemicolon {
		p.advance()
		switch p.tok.kind {
		case tkIf:
			taken := p.ifOpen()
			list = append(list, p.condition(taken, p.inline)...)
		case tkWord, tkEquals:
			list = p.keep(list, p.command())
		}
	}
	return list
}

// keep adds a command to the line's list. One that is only an assignment, or in
// a condition that is false, takes with it all that stood before it on the
// line: that is how tmux reads it.
func (p *parser) keep(list []textCommand, c textCommand) []textCommand {
	if len(c.words) == 0 || !p.live() {
		return nil
	}
	return append(list, c)
}

// command reads one command: an assignment or none, and then words.
func (p *parser) command() textCommand {
	var c textCommand
	if p.tok.kind == tkEquals {
		p.assign(false)
		p.advance()
	}
	c.at = p.tok.at
	if p.tok.kind == tkWord {
		p.words(&c)
	}
	c.line = p.line
	return c
}

func (p *parser) words(c *textCommand) {
	c.words = append(make([]word, 0, 4), word{text: p.tok.text, at: p.tok.at})
	p.advance()
	before := p.open
	for {
		switch p.tok.kind {
		case tkWord, tkEquals:
			c.words = append(c.words, word{text: p.tok.text, at: p.tok.at})
			p.advance()
		case tkOpen:
			c.words = append(c.words, p.braces())
		default:
			p.open = before
			return
		}
		if p.open++; p.open > maxOpen {
			p.fail(c.words[len(c.words)-1].at, TooMany, fmt.Sprintf("too many arguments (at most %d)", maxOpen))
			p.advance()
		}
	}
}

// braces reads a block and keeps its source.
func (p *parser) braces() word {
	w := word{at: p.tok.at, block: &textBlock{}}
	if !p.enter() {
		return w
	}
	p.advance()
	for {
		w.block.commands = append(w.block.commands, p.statement()...)
		if p.tok.kind == tkClose {
			break
		}
		if !p.expect(tkNewline) {
			return w
		}
	}
	w.text = p.text[w.at+1 : p.tok.at]
	p.depth--
	p.advance()
	return w
}

// assign carries out the assignment that is the token read ahead.
func (p *parser) assign(hidden bool) {
	if p.bounded && len(p.tok.text) > longestAssigned {
		p.fail(p.tok.at, Syntax, "environment variable is too long")
		return
	}
	live := p.live()
	if !p.innermost {
		for _, scope := range p.scopes {
			live = live && scope
		}
	}
	if !live {
		return
	}
	name, value, _ := strings.Cut(p.tok.text, "=")
	if p.assigned == nil {
		p.assigned = make(map[string]string)
	}
	p.assigned[name] = value
	p.assignments = append(p.assignments, Assignment{Name: name, Value: value, Hidden: hidden})
	p.assignedAt = append(p.assignedAt, p.tok.at)
}
