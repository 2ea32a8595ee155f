package tmux

import (
	"strings"
	"unicode/utf8"
)

// KeyInput is how one key is typed into a pane with send-keys, so that the pane
// gets what it does when the key is pressed at a terminal of the server. A name
// that the server does not take for a key, or that the pane cannot be sent, is
// typed letter by letter by send-keys: such a name is never given to it.
type KeyInput struct {
	// Words are the arguments of send-keys; with none the pane gets nothing.
	Words []string
	// Asked: Words are for a pane whose program has asked for keys with all
	// their modifiers, and Unasked for another one.
	Asked   bool
	Unasked []string
}

// TellsKeyMode reports whether a server tells what keys a pane's program has
// asked for: [KeyModePlain].
func TellsKeyMode(v Version) bool { return v.AtLeast(v35) }

// KeyModePlain is a format that is true for a pane whose program has not asked
// for keys with all their modifiers.
const KeyModePlain = "#{==:#{pane_key_mode},VT10x}"

// TypeKey says how to type the key of this name, as [PlainKey] has it.
func TypeKey(name string, v Version) KeyInput {
	mods, base := splitKey(name)
	if !isCharKey(base) {
		return KeyInput{Words: []string{name}} // every modifier has a form of its own
	}
	if v.AtLeast(v35) {
		return typeKey35(mods, base)
	}
	return typeKeyBefore(name, mods, base, v)
}

// splitKey takes the modifiers off a key's name.
func splitKey(name string) (mods, base string) {
	for len(name) > 2 && name[1] == '-' {
		mods, name = mods+name[:2], name[2:]
	}
	return mods, name
}

// isCharKey: a key that is a character, and has no sequences of its own.
func isCharKey(base string) bool {
	switch base {
	case "Tab", "Enter", "Escape", "Space", "BSpace":
		return true
	}
	return utf8.RuneCountInString(base) == 1
}

// typeKey35 is for 3.5 and newer. There the form of a key depends on what the
// program has asked for, and each character with each modifier has a name.
func typeKey35(mods, base string) KeyInput {
	control, meta := strings.Contains(mods, "C-"), strings.Contains(mods, "M-")
	switch { // what has no form for every program, or another than its name has
	case base == "Tab" && strings.Contains(mods, "S-"):
		in := words(strings.ReplaceAll(mods, "S-", "") + "BTab")
		in.Asked = meta
		return in
	case mods == "S-" && base != "Enter" && base != "Escape" && base != "Space" && base != "BSpace":
		return words(base) // the character has the shift in it
	case control && (base == "Escape" || base == "BSpace" || strings.Contains("#$%&*", base)):
		in := KeyInput{Words: []string{mods + base}, Asked: true}
		if meta {
			in.Unasked = []string{"Escape"}
		}
		return in
	}
	return words(mods + base)
}

// typeKeyBefore is for the versions before 3.5.
func typeKeyBefore(name, mods, base string, v Version) KeyInput {
	control, shift := strings.Contains(mods, "C-"), strings.Contains(mods, "S-")
	meta := strings.Contains(mods, "M-")
	switch {
	case base[0] >= utf8.RuneSelf:
		if mods == "" || mods == "M-" {
			return words(name)
		}
		return KeyInput{}
	case control && strings.Contains("\"$%&*{|}~", base):
		// These have no names with control, and some have a character.
		c := map[string]string{"{": "Escape", "|": "C-\\", "}": "C-]", "~": "C-^"}[base]
		if c == "" || meta || shift {
			return KeyInput{}
		}
		return words(c)
	case control && base == "Tab" && v.AtLeast(v34):
		return words(name)
	case shift, control && meta && !hasControl(base):
		return KeyInput{Words: []string{name}, Asked: true}
	}
	return words(name)
}

// hasControl: there is a control character for the key.
func hasControl(base string) bool {
	if len(base) > 1 {
		return base == "Space"
	}
	c := base[0]
	return c >= '@' && c <= 'z' && c != '`' || c == '?'
}

func words(name string) KeyInput { return KeyInput{Words: []string{name}} }
