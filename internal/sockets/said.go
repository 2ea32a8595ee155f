package sockets

import (
	"path/filepath"
	"slices"
	"strings"
)

// strangers gives who is on a server's list of accounts beside its owner, who always is,
// and root. ok is false if there is something on the list that is not understood, or
// nobody who could be the owner: then it is not certain who is meant.
func strangers(list, owner string, root bool) (out []string, ok bool) {
	if owner == "" {
		owner = "unknown" // as tmux calls who has no name; of several, one is the owner
	}
	found, ok := root, true
	for line := range strings.Lines(list) {
		line = strings.TrimSuffix(line, "\n")
		name, group, known := onList(line)
		switch {
		case !known:
			ok = false
		case !group && name == "root":
		case !group && !found && name == owner:
			found = true
		default:
			add(&out, line)
		}
	}
	if !found {
		return nil, false
	}
	return out, ok
}

// onList reads a line of that list: NAME (R) or (W), and from 3.8 on NAME (U,R) for an
// account and (G,R) for a group.
func onList(line string) (name string, group, ok bool) {
	i := strings.LastIndex(line, " (")
	if i <= 0 {
		return "", false, false
	}
	switch line[i+2:] {
	case "R)", "W)", "U,R)", "U,W)":
		return line[:i], false, true
	case "G,R)", "G,W)":
		return line[:i], true, true
	}
	return "", false, false
}

// writes reports whether somebody on the list may type, too.
func writes(line string) bool { return strings.HasSuffix(line, "W)") }

// setNames gives the names of variables that are set and not empty, from lines for a
// shell: NAME="VALUE"; export NAME; with a backslash before each quote and backslash of a
// value, which may have several lines. ok is false if something else is there; what comes
// after that may be part of a value, and is not taken for a name.
func setNames(text string) (names []string, ok bool) {
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		if name, isUnset := strings.CutPrefix(line, "unset "); isUnset && strings.HasSuffix(name, ";") && !strings.ContainsAny(name, "=\"") {
			text = rest
			continue
		}
		name, value, isSet := strings.Cut(text, "=\"")
		if !isSet || strings.Contains(name, "\n") {
			return names, false
		}
		end := endOfValue(value)
		if end < 0 {
			return names, false
		}
		if text, ok = strings.CutPrefix(value[end:], "\"; export "+name+";\n"); !ok {
			return names, false
		}
		if end > 0 && isName(name) {
			names = append(names, name)
		}
	}
	return names, true
}

// endOfValue finds the quote that ends a value.
func endOfValue(value string) int {
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

const nameLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

func isName(s string) bool {
	return s != "" && len(s) <= 100 && strings.Trim(s, nameLetters) == ""
}

// notShown stands for a command of which nothing is shown.
const notShown = "(not shown)"

// programOf gives the program of a command, if that is its first word and plain. All else
// may hold secrets, as arguments or as variables that are set before it.
func programOf(command string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	if first == "" {
		return ""
	}
	if strings.Trim(first, nameLetters+"./+-") != "" || len(first) > 100 {
		return notShown
	}
	return first
}

// isVlock reports whether a lock's program is vlock.
func isVlock(program string) bool { return filepath.Base(program) == "vlock" }

// fit reports whether an answer is as it is promised to be: short, and nothing in it
// draws. Who asks has the rights of a server's account, and what that account makes of
// it is shown to others.
func (a *Asked) fit() bool {
	text := []string{a.Version, a.Sixel, a.Clipboard, a.Passthrough, a.Default}
	for _, s := range []*string{a.LockAfter, a.LockCommand} {
		if s != nil {
			text = append(text, *s)
		}
	}
	for _, list := range [][]string{a.Access, a.Through, a.Updates, a.Programs, a.Secrets, a.Hidden, a.Unclear} {
		if len(list) > maxKept {
			return false
		}
		text = append(text, list...)
	}
	return !slices.ContainsFunc(text, func(s string) bool {
		return len(s) > maxShown || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
	})
}
