package grants

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// Variable is the variable of a session's environment that says who else may do what
// there, and Declaration the source of what was given so.
const (
	Variable    = "MUXWARD_ALLOW"
	Declaration = Variable
)

// Bounds of what one session declares.
const (
	maxDeclaration = 4 << 10
	maxDeclared    = 64
)

// Declared is one entry of a declaration: who may do what, on the session or on one pane
// of it.
type Declared struct {
	// Who is a person or @group.
	Who string
	// What is the role or the verbs in the declarer's words, Verbs what they are.
	What  string
	Verbs access.VerbSet
	// Pane is the number of the one pane that it is about, if OnPane is set.
	Pane   uint32
	OnPane bool
	// At is where the entry begins in the text, in bytes from 1.
	At int
}

// DeclarationError says what is wrong with a declaration, and where.
type DeclarationError struct {
	// At is the place in the text, in bytes from 1.
	At int
	// Text is what is wrong, and Hint what to write instead, if there is something to say.
	Text, Hint string
}

// Error gives the place, the mistake and the hint.
func (e *DeclarationError) Error() string {
	msg := fmt.Sprintf("%s, column %d: %s", Variable, e.At, e.Text)
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// Fault gives an error about the entry.
func (d Declared) Fault(hint, format string, args ...any) error {
	return &DeclarationError{At: d.At, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// declaredForm is how a declaration is written.
const declaredForm = `write it as bob:typist,@oncall:viewer,carol:view+type%3`

// ParseDeclaration reads a declaration: entries WHO:WHAT with commas between, where WHO is
// a person or @group, and WHAT a role, or verbs with + between; behind that %N for one pane
// alone. Spaces around an entry mean nothing. All of it is read or none: the error is a
// [*DeclarationError]. A text without an entry declares nothing.
func ParseDeclaration(text string) ([]Declared, error) {
	if len(text) > maxDeclaration {
		return nil, &DeclarationError{At: maxDeclaration + 1, Text: fmt.Sprintf("it has more than %d bytes", maxDeclaration),
			Hint: "name a group instead of many people"}
	}
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return nil, &DeclarationError{At: i + 1, Text: "there is a byte that is no plain character", Hint: declaredForm}
		}
	}
	if strings.Trim(text, " ") == "" {
		return nil, nil
	}
	var all []Declared
	for at := 0; at <= len(text); {
		entry, _, _ := strings.Cut(text[at:], ",")
		d, err := parseDeclared(entry, at)
		if err == nil {
			err = d.fits(all)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
		at += len(entry) + 1
	}
	return all, nil
}

// fits says why an entry cannot stand behind others.
func (d Declared) fits(before []Declared) error {
	if len(before) == maxDeclared {
		return d.Fault("name a group instead of many people", "there are more than %d entries", maxDeclared)
	}
	for _, o := range before {
		if o.Who == d.Who && o.OnPane == d.OnPane && o.Pane == d.Pane {
			return d.Fault("say all of it in one entry", "%s stands at column %d already, for the same", d.Who, o.At)
		}
	}
	return nil
}

// parseDeclared reads one entry, which begins at a byte of the text.
func parseDeclared(entry string, at int) (Declared, error) {
	left := strings.TrimLeft(entry, " ")
	at += len(entry) - len(left) + 1
	entry = strings.TrimRight(left, " ")
	d := Declared{At: at}
	wrong := func(off int, hint, format string, args ...any) (Declared, error) {
		return Declared{}, &DeclarationError{At: at + off, Text: fmt.Sprintf(format, args...), Hint: hint}
	}
	who, what, ok := strings.Cut(entry, ":")
	switch {
	case entry == "":
		return wrong(0, declaredForm, "an entry is empty")
	case !ok:
		return wrong(len(entry), declaredForm, "%q does not say what they may do", entry)
	case who == "*":
		return wrong(0, "name people, or an @group of the policy", "it cannot be declared for everybody")
	}
	if _, err := identity.CanonicalName(strings.TrimPrefix(who, "@")); err != nil {
		return wrong(0, declaredForm, "%q is no name: %v", who, err)
	}
	d.Who = who
	words, pane, onPane := strings.Cut(what, "%")
	if onPane {
		n, err := strconv.ParseUint(pane, 10, 32)
		if err != nil || strconv.FormatUint(n, 10) != pane {
			return wrong(len(who)+1+len(words), "write it as %3", "%q is no id of a pane", "%"+pane)
		}
		d.Pane, d.OnPane = uint32(n), true
	}
	if set, isRole := access.Role(words).Verbs(); isRole {
		d.What, d.Verbs = words, set
		return d, nil
	}
	off := len(who) + 1
	for word := range strings.SplitSeq(words, "+") {
		v, err := access.ParseVerb(word)
		switch {
		case err != nil:
			return wrong(off, roleHint(word), "there is no role or verb %q", word)
		case d.Verbs.Has(v):
			return wrong(off, "", "%s stands there twice", word)
		}
		d.Verbs = d.Verbs.With(access.SetOf(v))
		off += len(word) + 1
	}
	d.What = d.Verbs.String()
	return d, nil
}

// roleHint says which words there are.
func roleHint(word string) string {
	if _, isRole := access.Role(word).Verbs(); isRole {
		return "a role stands alone"
	}
	var roles []string
	for _, r := range access.Roles() {
		roles = append(roles, string(r))
	}
	return "the roles are " + strings.Join(roles, ", ") + "; verbs are such as view, scroll, type"
}
