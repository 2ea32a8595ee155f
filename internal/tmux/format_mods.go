package tmux

import "strings"

// formatMods are the modifiers of one #{…:…}.
type formatMods struct {
	limit      int // > 0 keeps the start, < 0 the end
	marker     string
	pad        int // > 0 fills up on the right, < 0 on the left
	compare    string
	literal    bool
	basename   bool
	dirname    bool
	length     bool
	width      bool
	quoteShell bool
	quoteStyle bool
	isTime     bool
	timeFormat string
	hasFormat  bool
}

// oneModifier is a modifier as written.
type oneModifier struct {
	name string
	args []string
}

// compileMods reads the modifiers before the colon. A key without modifiers is
// returned whole.
func compileMods(key string) (m formatMods, rest string, err error) {
	list, rest, ok := splitMods(key)
	if !ok {
		return m, key, nil
	}
	for _, one := range list {
		for _, arg := range one.args {
			if strings.Contains(arg, "#") && one.name != "t" {
				return m, "", notAvailable("modifier with a format in it", clip(key))
			}
		}
		if err := m.add(one); err != nil {
			return m, "", err
		}
	}
	return m, rest, nil
}

func modEnd(s string, i int) bool { return i < len(s) && (s[i] == ';' || s[i] == ':') }

// splitMods cuts a key into modifiers and what they apply to, as tmux does;
// ok is false if it has none.
func splitMods(key string) (list []oneModifier, rest string, ok bool) {
	i := 0
	for i < len(key) && key[i] != ':' {
		if key[i] == ';' {
			i++
		}
		if i >= len(key) {
			return nil, "", false
		}
		if strings.IndexByte("labcdnwETSWP<>", key[i]) >= 0 && modEnd(key, i+1) {
			list = append(list, oneModifier{name: key[i : i+1]})
			i++
			continue
		}
		if i+1 < len(key) && isCompare(key[i:i+2]) && modEnd(key, i+2) {
			list = append(list, oneModifier{name: key[i : i+2]})
			i += 2
			continue
		}
		if strings.IndexByte("mCNst=peq", key[i]) < 0 {
			break
		}
		one := oneModifier{name: key[i : i+1]}
		if modEnd(key, i+1) {
			list = append(list, one)
			i++
			continue
		}
		var args []string
		if args, i, ok = modArgs(key, i+1); !ok {
			break
		}
		one.args = args
		list = append(list, one)
	}
	if i >= len(key) || key[i] != ':' {
		return nil, "", false
	}
	return list, key[i+1:], true
}

func isCompare(s string) bool {
	switch s {
	case "||", "&&", "!=", "==", "<=", ">=":
		return true
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

// add takes over one modifier, or refuses it by name.
func (m *formatMods) add(one oneModifier) error {
	switch one.name {
	case "l":
		m.literal = true
	case "b":
		m.basename = true
	case "d":
		m.dirname = true
	case "n":
		m.length = true
	case "w":
		m.width = true
	case "=":
		if len(one.args) > 0 {
			m.limit = modNumber(one.args[0])
		}
		if len(one.args) > 1 {
			m.marker = one.args[1]
		}
	case "p":
		if len(one.args) > 0 {
			m.pad = modNumber(one.args[0])
		}
	case "q":
		m.quoteShell = len(one.args) == 0
		m.quoteStyle = len(one.args) > 0 && strings.ContainsAny(one.args[0], "eh")
	case "t":
		return m.addTime(one)
	case "m":
		if len(one.args) > 0 {
			return notAvailable("modifier", "m/"+clip(one.args[0]))
		}
		m.compare = "m"
	case "<", ">", "<=", ">=", "==", "!=", "||", "&&":
		m.compare = one.name
	default:
		return notAvailable("modifier", one.name)
	}
	return nil
}

func (m *formatMods) addTime(one oneModifier) error {
	m.isTime = true
	switch {
	case len(one.args) == 0:
	case strings.Contains(one.args[0], "p"):
		return notAvailable("modifier", "t/p")
	case len(one.args) > 1 && strings.Contains(one.args[0], "f"):
		m.timeFormat, m.hasFormat = stripFormat(one.args[1]), true
	}
	return nil
}

// modNumber reads a number as tmux does; what is none, or out of range, is 0.
func modNumber(s string) int {
	n, ok := strtonum(s, -intMax-1, intMax)
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
