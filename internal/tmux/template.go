package tmux

import (
	"errors"
	"slices"
	"strings"
)

// maxFilled is the most that commands may grow to, in bytes, by the answers that
// are put into them: far more than tmux takes of a client.
const maxFilled = 64 << 10

// errFilled is the error of commands that grow beyond it.
var errFilled = errors.New("with the answers in them the commands are too long (64 KiB)")

// IsAnswer reports whether the place holds nothing but the first answer: that is
// then text of the command language, and nothing to be filled.
func (n *Nested) IsAnswer() bool {
	if n.Block {
		return false
	}
	text := strings.TrimSpace(n.inv.Args[n.Arg])
	return text == "%%" || text == "%1"
}

// Filled gives the commands that the place holds with answers in them: the
// first for %1 and the first %%, and so on, as command-prompt puts them in. Each
// stays within its word, whatever is in it.
func (n *Nested) Filled(answers []string, opts ParseOptions) ([]*Invocation, error) {
	all, err := n.Commands(opts)
	if err != nil {
		return nil, err
	}
	f := filling{answers: answers[:min(len(answers), 9)], left: maxFilled, opts: opts, escapes: n.Block}
	return f.commands(all)
}

// filling puts answers into commands.
type filling struct {
	answers []string
	left    int // how many bytes may still be written
	opts    ParseOptions
	// escapes: a third % has what is special in double quotes escaped. What has
	// been read from a text stands in no quotes any more.
	escapes bool
}

func (f *filling) commands(all []*Invocation) ([]*Invocation, error) {
	out := make([]*Invocation, len(all))
	for i, inv := range all {
		var err error
		if out[i], err = f.command(inv.Clone()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// command fills one command, which is the caller's to change.
func (f *filling) command(inv *Invocation) (*Invocation, error) {
	for k := range inv.Flags {
		inv.Flags[k].Value = f.word(inv.Flags[k].Value)
	}
	texts, err := f.texts(inv)
	if err != nil {
		return nil, err
	}
	for k := range inv.Blocks {
		b := &inv.Blocks[k]
		if b.Commands, err = f.commands(b.Commands); err != nil {
			return nil, err
		}
		// What the log has of a block is what it says now.
		if texts[b.Arg], err = writeText(b.Commands, f.opts); err != nil {
			return nil, err
		}
	}
	for k, arg := range inv.Args {
		if text, ok := texts[k]; ok {
			inv.Args[k] = text
		} else {
			inv.Args[k] = f.word(arg)
		}
	}
	if f.left < 0 {
		return nil, errFilled
	}
	return inv, nil
}

// texts fills those arguments that are read as commands themselves, which makes
// no more commands of them.
func (f *filling) texts(inv *Invocation) (map[int]string, error) {
	texts := map[int]string{}
	for _, n := range inv.Nested() {
		if n.Block || n.Words > 1 || !strings.Contains(inv.Args[n.Arg], "%") {
			continue
		}
		all, err := n.Commands(f.opts)
		switch {
		case err != nil && n.Maybe:
			continue // an option's value, and no commands
		case err != nil:
			return nil, err
		}
		inner := *f
		inner.escapes = false
		if all, err = inner.commands(all); err != nil {
			return nil, err
		}
		f.left = inner.left
		if texts[n.Arg], err = writeText(all, f.opts); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// word puts answers in the places of their numbers, and one after the other in
// those of %%. What was put in is not looked at again.
func (f *filling) word(template string) string {
	if !strings.Contains(template, "%") {
		return template
	}
	var out strings.Builder
	next := 0
	for rest := template; rest != "" && f.left >= 0; {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		f.left -= len(before)
		if !found {
			break
		}
		at := -1
		switch {
		case after != "" && after[0] >= '1' && int(after[0]-'1') < len(f.answers):
			at = int(after[0] - '1')
		case after != "" && after[0] == '%' && next < len(f.answers):
			at = next
			next++
		default:
			out.WriteByte('%')
			rest = after
			continue
		}
		rest = f.put(&out, f.answers[at], after[1:])
	}
	return out.String()
}

// put puts in one answer, and returns what follows it.
func (f *filling) put(out *strings.Builder, answer, rest string) string {
	rest, third := strings.CutPrefix(rest, "%")
	if f.left -= 2 * len(answer); f.left < 0 {
		return ""
	}
	if !third || !f.escapes {
		out.WriteString(answer)
		return rest
	}
	for i := range len(answer) {
		if slices.Contains([]byte("\"\\$;~"), answer[i]) {
			out.WriteByte('\\')
		}
		out.WriteByte(answer[i])
	}
	return rest
}
