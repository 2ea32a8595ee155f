package tmux

import (
	"strings"
	"unicode/utf8"
)

// CharKey gives tmux's name for the key that sends one character: "a", "C-a",
// "Tab", "é". It is "" for what is no character.
func CharKey(c rune) string {
	switch {
	case c == 0:
		return "C-Space"
	case c == '\t':
		return "Tab"
	case c == '\r':
		return "Enter"
	case c == 0x1b:
		return "Escape"
	case c == ' ':
		return "Space"
	case c == 0x7f:
		return "C-?"
	case c < 0x1b:
		return "C-" + string('a'+c-1)
	case c < ' ':
		return "C-" + string('@'+c)
	case c == utf8.RuneError, c >= 0x80 && c < 0xa0, c > utf8.MaxRune:
		return ""
	}
	return string(c)
}

// MetaKey gives the name of a key with Meta.
func MetaKey(key string) string {
	if key == "" {
		return ""
	}
	return PlainKey("M-" + key)
}

// WithoutMeta gives the name of the key that is pressed with Meta.
func WithoutMeta(name string) string {
	mods, base := splitKey(PlainKey(name))
	return strings.ReplaceAll(mods, "M-", "") + base
}

// PlainKey gives a key the one name that [CharKey] and the reader of terminals
// have for it. What versions of tmux print differs in the order of modifiers,
// and in the name of C-Space.
func PlainKey(name string) string {
	var control, meta, shift string
	for len(name) > 2 && name[1] == '-' {
		switch name[0] {
		case 'C':
			control = "C-"
		case 'M':
			meta = "M-"
		case 'S':
			shift = "S-"
		default:
			return name
		}
		name = name[2:]
	}
	switch {
	case name == "[NUL]":
		control, name = "C-", "Space"
	case name == "@" && control != "":
		name = "Space"
	}
	return control + meta + shift + name
}
