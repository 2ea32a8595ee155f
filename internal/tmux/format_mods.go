package tmux

import "strings"

// formatMods are the modifiers of one #{…:…} that change a value, whatever it
// comes from.
type formatMods struct {
	limit      *formatArg // > 0 keeps the start, < 0 the end
	marker     *formatArg
	pad        *formatArg // > 0 fills up on the right, < 0 on the left
	subs       []formatSub
	length     bool
	width      bool
	basename   bool
	dirname    bool
	quoteShell bool
	quoteStyle bool
	isTime     bool
	pretty     bool
	timeFormat *formatArg
	match      matchHow
	expr       exprHow
}

// formatArg is an argument of a modifier: text, or a format.
type formatArg struct {
	text  string
	parts []formatNode // if it is not only text
}

// modified is what all modifiers of one #{…:…} come to.
type modified struct {
	kind nodeKind
	op   string
	loop formatLoop
	mods formatMods
}

// oneModifier is a modifier as written.
type oneModifier struct {
	name string
	args []string
}

// modsReader takes over modifiers one by one.
type modsReader struct {
	*formatCompiler
	depth int
	modified
}

// mods reads the modifiers before the colon. A key without modifiers is
// returned whole.
func (c *formatCompiler) mods(key string, depth int) (modified, string, error) {
	r := &modsReader{formatCompiler: c, depth: depth, modified: modified{kind: varNode}}
	list, rest, ok := splitMods(key, c.version)
	if !ok {
		return r.modified, key, nil
	}
	for _, one := range list {
		if err := r.add(one); err != nil {
			return modified{}, "", err
		}
	}
	return r.modified, rest, nil
}

func modEnd(s string, i int) bool { return i < len(s) && (s[i] == ';' || s[i] == ':') }

// modLetters are the modifiers without and with arguments.
func modLetters(v Version) (alone, withArgs string) {
	switch {
	case v.AtLeast(v36):
		return "labcdnwETSWPL!<>", "mCLNPSst=pReqW"
	case v.AtLeast(v34):
		return "labcdnwETSWPL<>", "mCNst=peq"
	}
	return "labcdnwETSWP<>", "mCNst=peq"
}

// splitMods cuts a key into modifiers and what they apply to, as tmux does;
// ok is false if it has none.
func splitMods(key string, v Version) (list []oneModifier, rest string, ok bool) {
	alone, withArgs := modLetters(v)
	i := 0
	for i < len(key) && key[i] != ':' {
		if key[i] == ';' {
			i++
		}
		if i >= len(key) {
			return nil, "", false
		}
		if strings.IndexByte(alone, key[i]) >= 0 && modEnd(key, i+1) {
			list = append(list, oneModifier{name: key[i : i+1]})
			i++
			continue
		}
		if i+1 < len(key) && isCompare(key[i:i+2], v) && modEnd(key, i+2) {
			list = append(list, oneModifier{name: key[i : i+2]})
			i += 2
			continue
		}
		if strings.IndexByte(withArgs, key[i]) < 0 {
			break
		}
		one := oneModifier{name: key[i : i+1]}
		if modEnd(key, i+1) {
			list = append(list, one)
			i++
			continue
		}
		if one.args, i, ok = modArgs(key, i+1); !ok {
			break
		}
		list = append(list, one)
	}
	if i >= len(key) || key[i] != ':' {
		return nil, "", false
	}
	return list, key[i+1:], true
}

func isCompare(s string, v Version) bool {
	switch s {
	case "||", "&&", "!=", "==", "<=", ">=":
		return true
	case "!!":
		return v.AtLeast(v36)
	}
	return false
}

// modArgs reads the arguments of a modifier from i on: one that runs up to the
// next colon or semicolon, or several, each after the same punctuation mark.
func modArgs(key string, i int) (args []string, next int, ok bool) {
	if i >= len(key) {
		return nil, i, false
	}
	if !punct(key[i]) || key[i] == '-' {
		end := skipTo(key, i, ":;")
		if end < 0 {
			return nil, i, false
		}
		return []string{key[i:end]}, end, true
	}
	mark := key[i]
	stop := string(mark) + ";:"
	for {
		if key[i] == mark && modEnd(key, i+1) {
			return args, i + 1, true
		}
		end := skipTo(key, i+1, stop)
		if end < 0 {
			return args, i, true
		}
		args = append(args, key[i+1:end])
		if i = end; modEnd(key, i) {
			return args, i, true
		}
	}
}

func punct(c byte) bool { return c > ' ' && c < 0x7f && !alnum(c) }

// choose lets a modifier decide what the whole is. The order is tmux's: an
// earlier one wins over a later one, whatever order they are written in; of
// two alike the last one counts.
func (r *modsReader) choose(kind nodeKind, op string) {
	if rankOf(kind) >= rankOf(r.kind) {
		r.kind, r.op = kind, op
	}
}

func rankOf(kind nodeKind) int {
	switch kind {
	case textNode:
		return 12
	case charNode:
		return 11
	case loopNode:
		return 10
	case nameNode:
		return 9
	case repeatNode:
		return 8
	case notNode:
		return 7
	case truthNode:
		return 6
	case boolNode:
		return 5
	case compareNode:
		return 4
	case exprNode:
		return 1 // below a condition
	}
	return 0
}

// add takes over one modifier, or refuses it by name.
func (r *modsReader) add(one oneModifier) error {
	m := &r.modified.mods
	var err error
	switch one.name {
	case "l":
		r.choose(textNode, "")
	case "a":
		r.choose(charNode, "")
	case "R":
		r.choose(repeatNode, "")
	case "!":
		r.choose(notNode, "")
	case "!!":
		r.choose(truthNode, "")
	case "||", "&&":
		r.choose(boolNode, one.name)
	case "<", ">", "<=", ">=", "==", "!=":
		r.choose(compareNode, one.name)
	case "m":
		r.choose(compareNode, one.name)
		m.match, err = r.matchHow(one)
	case "e":
		err = r.addExpr(one)
	case "b":
		m.basename = true
	case "d":
		m.dirname = true
	case "n":
		m.length = true
	case "w":
		m.width = true
	case "=", "p":
		err = r.addSize(one)
	case "s":
		err = r.addSub(one)
	case "q":
		err = r.addQuote(one)
	case "t":
		err = r.addTime(one)
	case "N":
		err = r.addName(one)
	case "S", "W", "P", "L":
		err = r.addLoop(one)
	default:
		err = notAvailable("modifier", one.name)
	}
	return err
}

// arg reads an argument that may hold formats.
func (r *modsReader) arg(text string) (*formatArg, error) {
	parts, err := r.parts(text, r.depth)
	if err != nil {
		return nil, err
	}
	if plain, ok := plainParts(parts); ok {
		return &formatArg{text: plain}, nil
	}
	return &formatArg{parts: parts}, nil
}

// fixed reads an argument that may not depend on values.
func (r *modsReader) fixed(one oneModifier, i int) (string, error) {
	arg, err := r.arg(one.args[i])
	if err != nil {
		return "", err
	}
	if arg.parts != nil {
		return "", notAvailable("value in modifier", one.name+"/"+clip(one.args[i]))
	}
	return arg.text, nil
}

// plainParts returns the text of parts that hold nothing else.
func plainParts(parts []formatNode) (string, bool) {
	switch {
	case len(parts) == 0:
		return "", true
	case len(parts) == 1 && parts[0].kind == textNode && parts[0].mods.none():
		return parts[0].text, true
	}
	return "", false
}

func (m *formatMods) none() bool {
	return m.limit == nil && m.pad == nil && len(m.subs) == 0 && !m.length && !m.width
}

func (r *modsReader) addSize(one oneModifier) error {
	if len(one.args) == 0 {
		return nil
	}
	size, err := r.arg(one.args[0])
	if err != nil {
		return err
	}
	if one.name == "p" {
		r.modified.mods.pad = size
		return nil
	}
	r.modified.mods.limit = size
	if len(one.args) > 1 {
		r.modified.mods.marker, err = r.arg(one.args[1])
	}
	return err
}

func (r *modsReader) addQuote(one oneModifier) error {
	m := &r.modified.mods
	if len(one.args) == 0 {
		m.quoteShell = true
		return nil
	}
	how, err := r.fixed(one, 0)
	if err == nil && !strings.ContainsAny(how, "eh") {
		err = notAvailable("modifier", "q/"+clip(how))
	}
	m.quoteStyle = true
	return err
}

func (r *modsReader) addTime(one oneModifier) error {
	m := &r.modified.mods
	m.isTime = true
	if len(one.args) == 0 {
		return nil
	}
	how, err := r.fixed(one, 0)
	switch {
	case err != nil:
		return err
	case strings.Contains(how, "p"):
		m.pretty = true
	case len(one.args) > 1 && strings.Contains(how, "f"):
		m.timeFormat, err = r.arg(one.args[1])
	}
	return err
}

func (r *modsReader) addName(one oneModifier) error {
	how := "w"
	var err error
	if len(one.args) > 0 {
		if how, err = r.fixed(one, 0); err != nil {
			return err
		}
	}
	switch {
	case strings.Contains(how, "w"):
		r.choose(nameNode, "w")
	case strings.Contains(how, "s"):
		r.choose(nameNode, "s")
	default:
		return notAvailable("modifier", "N/"+clip(how))
	}
	return nil
}

// modNumber reads a number as tmux does; what is none, or out of range, is 0.
func modNumber(s string, most int64) int {
	n, ok := strtonum(s, -most, most)
	if !ok {
		return 0
	}
	return int(n)
}

// stripFormat takes the escaping # away from outside of braces.
func stripFormat(s string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && i+1 < len(s) && s[i+1] == '{' {
			depth++
		}
		if s[i] == '#' && i+1 < len(s) && strings.IndexByte(",#{}:", s[i+1]) >= 0 {
			if depth != 0 {
				b.WriteByte('#')
			}
			continue
		}
		if s[i] == '}' {
			depth--
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
