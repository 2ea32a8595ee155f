package tmux

import (
	"fmt"
	"strings"
)

// Text writes the command as one line of tmux's command language that tmux reads
// back to exactly this command, whatever the server's command-alias: every word
// literal, every block as a block. The commands of a block become one group, as
// tmux makes of every text that it is given as a string.
func (inv *Invocation) Text(opts ParseOptions) (string, error) {
	var b strings.Builder
	if err := inv.write(&b, &opts); err != nil {
		return "", err
	}
	return b.String(), nil
}

// writeText writes commands as one line, in one group: see [Invocation.Text].
func writeText(all []*Invocation, opts ParseOptions) (string, error) {
	var b strings.Builder
	if err := writeAll(&b, all, &opts); err != nil {
		return "", err
	}
	return b.String(), nil
}

func writeAll(b *strings.Builder, all []*Invocation, opts *ParseOptions) error {
	for i, inv := range all {
		if i > 0 {
			b.WriteString(" ; ")
		}
		if err := inv.write(b, opts); err != nil {
			return err
		}
	}
	return nil
}

func (inv *Invocation) write(b *strings.Builder, opts *ParseOptions) error {
	name, ok := inv.Row.Spelling(*opts)
	if !ok {
		return fmt.Errorf("%s: this server's command-alias option hides the command", inv.Row.Name)
	}
	words := inv.Words()
	words[0] = name
	first := len(words) - len(inv.Args)
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if block := inv.block(i - first); block != nil {
			b.WriteString("{ ")
			if err := writeAll(b, block.Commands, opts); err != nil {
				return err
			}
			b.WriteString(" }")
			continue
		}
		if strings.IndexByte(word, 0) >= 0 {
			return fmt.Errorf("%s: argument %d holds a NUL byte, which tmux cannot take", inv.Row.Name, i)
		}
		quoteWord(b, word)
	}
	return nil
}
