package executor

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

const (
	// keyChunk is how many bytes go into one send-keys.
	keyChunk = 512
	// pasteRoom is what is left of a command line for what is not the text of a paste.
	pasteRoom = 4 << 10
)

// input gives the commands that type one event into a pane, so that its program
// gets what it does when the same is pressed at a terminal of the server. A pane
// gets nothing of some keys: then there are none.
func input(at *scene, e attach.Event) (inputs, error) {
	var c inputs
	switch {
	case e.Kind == attach.Paste:
		c.paste(at, e.Bytes)
	case e.Key == "":
		c.characters(at, e.Bytes)
	default:
		c.key(at, e)
	}
	return c, c.err
}

// inputs gathers commands, which are one line, so that nobody's come between. Those that
// touch the pane are done or not; if not, others are. before and after are done in any
// case, and touch nothing but a buffer of that line.
type inputs struct {
	before, commands, refused, after [][]string
	err                              error
}

// line is what has tmux do all this, if the pane is still what was decided.
func (c *inputs) line(at *scene) (string, error) {
	place := at.place
	place.Living = place.Living || len(c.before) > 0
	place.Named = len(c.refused)+len(c.before)+len(c.after) == 0 // else the rest goes by whether the test fails
	words, err := tmux.GuardedOr(place, c.commands, c.refused, refusal, at.opts)
	if err != nil {
		return "", err
	}
	return tmux.QuoteLine(slices.Concat(c.before, [][]string{words}, c.after))
}

// add spells a command for this server.
func (c *inputs) add(at *scene, name string, words ...string) {
	c.commands = append(c.commands, c.spell(at, name, words...))
}

func (c *inputs) spell(at *scene, name string, words ...string) []string {
	spelt, ok := tmux.SpellCommand(name, at.opts)
	if !ok {
		c.err = fmt.Errorf("the server's command-alias hides %s", name)
	}
	return append([]string{spelt}, words...)
}

// paste pastes text as one. Nothing is taken out of it here: what is left could be the
// mark that ends a paste.
func (c *inputs) paste(at *scene, text []byte) {
	switch {
	case len(text) == 0:
		return
	case attach.Marked(text):
		c.err = errors.New("nothing was pasted: the text holds a mark that ends or begins a paste, or a NUL")
		return
	}
	name := tmux.OwnBuffer + rand.Text()
	words := []string{"-p", "-r", "-b", name, "-t", at.target}
	if at.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 7}) {
		words = append(words, "-S") // as it is: before, it always was
	}
	c.before = append(c.before, c.spell(at, "set-buffer", "-b", name, "--", string(text)))
	gone := c.spell(at, "delete-buffer", "-b", name)
	if at.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 4}) {
		c.add(at, "paste-buffer", words...)
		c.after = append(c.after, gone) // also if what was done before failed
		return
	}
	// A hook may have deleted it: only a buffer that must be there is deleted.
	c.add(at, "paste-buffer", append(words, "-d")...)
	c.refused = append(c.refused, gone)
}

// pasteable refuses a paste that no line to tmux can hold. It is asked before anything
// is recorded.
func pasteable(e attach.Event) error {
	if e.Kind != attach.Paste || len(e.Bytes) == 0 || attach.Marked(e.Bytes) {
		return nil // of marks, see paste
	}
	line, err := tmux.QuoteControl([]string{string(e.Bytes)})
	if most := control.MaxLine - pasteRoom; err == nil && len(line) > most {
		err = fmt.Errorf("nothing was pasted: with its control characters and quotes written out for tmux the text is %d bytes, and %d can be sent at once; paste it in parts", len(line), most)
	}
	return err
}

// characters types text. What has one form only goes by its bytes; a control
// character is a key, which a program may have asked for in another form.
func (c *inputs) characters(at *scene, text []byte) {
	for len(text) > 0 {
		n := 0
		for n < min(len(text), keyChunk) && !isKey(text[n], at.opts.Version) {
			n++
		}
		if n > 0 {
			c.bytes(at, text[:n])
			text = text[n:]
		} else {
			c.named(at, tmux.CharKey(rune(text[0])))
			text = text[1:]
		}
	}
}

// isKey: the form of this character depends on the pane.
func isKey(b byte, v tmux.Version) bool {
	return tmux.TellsKeyMode(v) && b < ' ' && b != '\t' && b != '\r' && b != 0x1b
}

func (c *inputs) bytes(at *scene, b []byte) {
	words := make([]string, 0, 3+len(b))
	words = append(words, "-t", at.target, "-H")
	for i := range b {
		words = append(words, hex.EncodeToString(b[i:i+1]))
	}
	c.add(at, "send-keys", words...)
}

// coded reports whether all of the text goes by its bytes, in one command.
func coded(text []byte, v tmux.Version) bool {
	return len(text) > 0 && len(text) <= keyChunk &&
		!slices.ContainsFunc(text, func(b byte) bool { return isKey(b, v) })
}

// spelling is the line that types characters at one scene, but for their codes, which
// are digits and need no quotes. To put it together takes as long as to send it.
type spelling struct {
	at            *scene
	before, after string
}

// codes stands for the codes in a line that is put together.
const codes = "MUXWARDCODES"

// line is the line that types a text that is coded.
func (sp *spelling) line(at *scene, text []byte) (string, error) {
	if sp.at != at {
		var c inputs
		c.add(at, "send-keys", "-t", at.target, "-H", codes)
		if c.err != nil {
			return "", c.err
		}
		line, err := c.line(at)
		if err != nil {
			return "", err
		}
		before, after, ok := strings.Cut(line, codes)
		if !ok || strings.Contains(after, codes) {
			return "", errors.New("characters cannot be spelled for tmux; this is a fault of muxward")
		}
		*sp = spelling{at, before, after}
	}
	b := make([]byte, 0, len(sp.before)+3*len(text)+len(sp.after))
	b = append(b, sp.before...)
	for i := range text {
		if i > 0 {
			b = append(b, ' ')
		}
		b = hex.AppendEncode(b, text[i:i+1])
	}
	return string(append(b, sp.after...)), nil
}

// key types a key that has a name.
func (c *inputs) key(at *scene, e attach.Event) {
	name := e.Key
	if e.Escaped {
		c.bytes(at, []byte{0x1b})
		name = tmux.WithoutMeta(name)
	}
	if e.Kind == attach.Keys && string(e.Bytes) == "\x1b\x7f" {
		name = "M-\x7f" // the character, where the backspace key is another one
	}
	c.named(at, name)
}

func (c *inputs) named(at *scene, name string) {
	in := tmux.TypeKey(name, at.opts.Version)
	send := func(c *inputs, keys []string) {
		if len(keys) > 0 {
			c.add(at, "send-keys", append([]string{"-t", at.target}, keys...)...)
		}
	}
	switch {
	case !in.Asked:
		send(c, in.Words)
	case !tmux.TellsKeyMode(at.opts.Version):
		send(c, in.Unasked) // what every program understands
	default:
		c.either(at, in, send)
	}
}

// either types a key in one of two forms, as the pane's program has asked.
func (c *inputs) either(at *scene, in tmux.KeyInput, send func(*inputs, []string)) {
	var forms [2]string
	for i, keys := range [][]string{in.Unasked, in.Words} {
		var one inputs
		send(&one, keys)
		for _, words := range one.commands {
			var err error
			if forms[i], err = tmux.QuoteControl(words); err != nil {
				one.err = err
			}
		}
		if one.err != nil {
			c.err = one.err
			return
		}
	}
	c.add(at, "if-shell", "-F", "-t", at.target, tmux.KeyModePlain, forms[0], forms[1])
}

// entry is the terminfo entry of a client as this version of tmux takes it: of
// rxvt it has its own table of the keys F1 to F20 since 3.4.
func entry(h *wire.Hello, v tmux.Version) []string {
	if !strings.HasPrefix(h.Term, "rxvt") || !v.AtLeast(tmux.Version{Major: 3, Minor: 4}) {
		return h.Terminfo
	}
	all := slices.DeleteFunc(slices.Clone(h.Terminfo), func(c string) bool { return strings.HasPrefix(c, "kf") })
	for i, number := range []int{23, 24, 25, 26, 28, 29, 31, 32, 33, 34} {
		all = append(all, fmt.Sprintf("kf%d=\x1b[%d~", 13+i, number))
	}
	return all
}
