package tmux

import (
	"fmt"
	"strings"
)

// Commands gives the commands that the key is bound to, as the server has read
// them when it was bound: no alias, variable or condition in them is left.
func (b *Binding) Commands() ([]*Invocation, error) {
	text, err := b.plain()
	if err != nil {
		return nil, err
	}
	parsed, terr := ParseText(text, ParseOptions{Version: b.version})
	if terr != nil {
		return nil, &terr.ParseError
	}
	return parsed.Commands, fullNames(parsed.Commands)
}

// fullNames refuses what list-keys does not print: it writes names out.
func fullNames(all []*Invocation) error {
	for _, inv := range all {
		if inv.Typed != inv.Row.Name {
			return fmt.Errorf("%.40q is not the name of a command", inv.Typed)
		}
		for _, block := range inv.Blocks {
			if err := fullNames(block.Commands); err != nil {
				return err
			}
		}
	}
	return nil
}

// plain writes what list-keys prints of the commands as command text in which
// each word is literal.
func (b *Binding) plain() (string, error) {
	r := keyText{text: b.text, version: b.version}
	var out strings.Builder
	depth := 0
	for {
		switch t := r.next(depth > 0); t.kind {
		case listedWord:
			if strings.IndexByte(t.text, 0) >= 0 {
				return "", fmt.Errorf("a NUL byte is in what the key is bound to")
			}
			quoteWord(&out, t.text)
		case listedSemicolon:
			out.WriteByte(';')
		case listedLine:
			out.WriteByte('\n')
		case listedOpen:
			depth++
			out.WriteByte('{')
		case listedClose:
			depth--
			out.WriteByte('}')
		case listedEnd:
			return out.String(), nil
		default:
			return "", fmt.Errorf("what the key is bound to cannot be read at %.40q", r.text)
		}
		out.WriteByte(' ')
	}
}

// keyText reads what list-keys prints, which is not quite command text: there
// are no variables, and in single quotes, too, backslashes are doubled.
type keyText struct {
	text    string // what is left
	version Version
	begun   bool // a word came since the last command ended
}

type listedKind uint8

const (
	listedEnd listedKind = iota
	listedBad
	listedWord
	listedSemicolon // between two commands of a line
	listedLine      // between two lines
	listedOpen
	listedClose
)

type listedToken struct {
	kind listedKind
	text string
}

// next returns the next token; inside of a block what is between commands is
// written without backslashes.
func (r *keyText) next(block bool) listedToken {
	r.text = strings.TrimLeft(r.text, " ")
	raw, _, _ := strings.Cut(r.text, " ")
	between := raw
	if !block {
		between = strings.ReplaceAll(raw, `\;`, ";")
	}
	kind := listedWord
	switch {
	case raw == "":
		return listedToken{kind: listedEnd}
	case raw == "{":
		kind = listedOpen
	case raw == "}":
		kind = listedClose
	case between == raw && !block: // no backslash was taken away
	case between == ";" && (block || r.separates(raw)):
		kind = listedSemicolon
	case between == ";;":
		kind = listedLine
	}
	r.begun = kind == listedWord || kind == listedClose
	if kind != listedWord {
		r.text = r.text[len(raw):]
		return listedToken{kind: kind}
	}
	return r.word()
}

// separates tells a semicolon between two commands from an argument that is
// one, which is printed alike: behind it stands the name of a command.
func (r *keyText) separates(raw string) bool {
	next, _, _ := strings.Cut(strings.TrimLeft(r.text[len(raw):], " "), " ")
	if !r.begun || !strings.Contains(next, "-") || strings.HasPrefix(next, "-") {
		return false
	}
	return strings.Trim(next, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// word reads one word: plain, in single or in double quotes, with the escapes
// of vis(3) in each of them.
func (r *keyText) word() listedToken {
	bad := listedToken{kind: listedBad}
	quote := r.text[0]
	if quote != '"' && quote != '\'' {
		end := strings.IndexByte(r.text, ' ')
		if end < 0 {
			end = len(r.text)
		}
		word := r.text[:end]
		r.text = r.text[end:]
		return listedToken{listedWord, unescape(word)}
	}
	for i := 1; i < len(r.text); i++ {
		switch r.text[i] {
		case '\\':
			i++
		case quote:
			word := r.text[1:i]
			if r.text = r.text[i+1:]; r.text != "" && r.text[0] != ' ' {
				return bad
			}
			return listedToken{listedWord, unescape(r.undoubled(word))}
		}
	}
	return bad
}

// undoubled takes back that 3.4 escapes what keeps a dollar sign from being a
// variable's.
func (r *keyText) undoubled(word string) string {
	if r.version.AtLeast(v35) || !r.version.AtLeast(v34) {
		return word
	}
	return strings.ReplaceAll(word, `\\$`, `\$`)
}
