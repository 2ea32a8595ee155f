package tmux

import (
	"slices"
	"strings"
)

// Filled gives the commands that the place holds with answers in them: the
// first for %1 and the first %%, and so on, as command-prompt puts them in. In a
// block each stays within its word; in a string it becomes part of the text that
// is read.
func (n *Nested) Filled(answers []string, opts ParseOptions) ([]*Invocation, error) {
	if n.Block {
		all, err := n.Commands(opts)
		if err != nil {
			return nil, err
		}
		return filled(all, answers), nil
	}
	inv := n.inv.Clone()
	inv.Args[n.Arg] = fill(inv.Args[n.Arg], answers)
	with := *n
	with.inv = inv
	return with.Commands(opts)
}

func filled(all []*Invocation, answers []string) []*Invocation {
	out := make([]*Invocation, len(all))
	for i, inv := range all {
		c := inv.Clone()
		for k := range c.Flags {
			c.Flags[k].Value = fill(c.Flags[k].Value, answers)
		}
		for k := range c.Args {
			c.Args[k] = fill(c.Args[k], answers)
		}
		for k := range c.Blocks {
			c.Blocks[k].Commands = filled(c.Blocks[k].Commands, answers)
		}
		out[i] = c
	}
	return out
}

// fill puts answers into a template, one after the other: also into what an
// answer before it has brought.
func fill(template string, answers []string) string {
	for i, answer := range answers[:min(len(answers), 9)] {
		template = fillOne(template, byte('1'+i), answer)
	}
	return template
}

// fillOne puts an answer in the place of its number and of the first %%. With
// one % more behind it, what is special in double quotes is escaped.
func fillOne(template string, number byte, answer string) string {
	var out strings.Builder
	first := true
	for rest := template; rest != ""; {
		before, after, found := strings.Cut(rest, "%")
		out.WriteString(before)
		if !found {
			break
		}
		switch {
		case after != "" && after[0] == number:
		case after != "" && after[0] == '%' && first:
			first = false
		default:
			out.WriteByte('%')
			rest = after
			continue
		}
		rest = after[1:]
		quoted, escaped := strings.CutPrefix(rest, "%")
		if !escaped {
			out.WriteString(answer)
			continue
		}
		rest = quoted
		for i := range len(answer) {
			if slices.Contains([]byte("\"\\$;~"), answer[i]) {
				out.WriteByte('\\')
			}
			out.WriteByte(answer[i])
		}
	}
	return out.String()
}
