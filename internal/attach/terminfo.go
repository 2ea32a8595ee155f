package attach

import (
	"strconv"
	"strings"
)

// maxSequence bounds the keys that a terminfo entry may name.
const maxSequence = 16

// editingKeys names the keys of terminfo(5) that are not numbered. Those in
// modifiedKeys are with shift, and with other modifiers by the number that
// xterm's parameter has, as in kLFT5.
var (
	editingKeys = map[string]string{
		"kcuu1": "Up", "kcud1": "Down", "kcub1": "Left", "kcuf1": "Right", "khome": "Home", "kend": "End",
		"kich1": "IC", "kdch1": "DC", "kpp": "PPage", "knp": "NPage", "kcbt": "BTab", "kri": "S-Up", "kind": "S-Down",
	}
	modifiedKeys = map[string]string{
		"kUP": "Up", "kDN": "Down", "kLFT": "Left", "kRIT": "Right", "kHOM": "Home", "kEND": "End",
		"kIC": "IC", "kDC": "DC", "kPRV": "PPage", "kNXT": "NPage",
	}
)

// capabilityKey names the key of a capability, or gives "" if it is of none.
func capabilityKey(capability string) string {
	if name := editingKeys[capability]; name != "" {
		return name
	}
	number := strings.TrimLeft(capability, "kUPDNLFTRIHOMECXV")
	if name := modifiedKeys[strings.TrimSuffix(capability, number)]; name != "" {
		m, err := strconv.Atoi(number)
		if number == "" {
			m, err = 2, nil
		}
		if mods, ok := modifiers(m); ok && err == nil && m > 1 {
			return mods + name
		}
		return ""
	}
	function, ok := strings.CutPrefix(capability, "kf")
	f, err := strconv.Atoi(function)
	if !ok || err != nil || f < 1 || f > 63 {
		return ""
	}
	// Twelve keys, then the same with each of these.
	mods := [...]string{"", "S-", "C-", "C-S-", "M-", "M-S-"}[(f-1)/12]
	return mods + "F" + strconv.Itoa((f-1)%12+1)
}

// entryKeys gives the keys of a terminfo entry, NAME=value each, that are not read
// so anyway.
func entryKeys(entry []string) map[string]string {
	keys := map[string]string{}
	for _, c := range entry {
		capability, sequence, _ := strings.Cut(c, "=")
		if name := capabilityKey(capability); name != "" && isSequence(sequence) && !readAs(sequence, name) {
			keys[sequence] = name
		}
	}
	return keys
}

// isSequence: a whole sequence that a key may send, and none that begins what a
// terminal sends by itself.
func isSequence(s string) bool {
	if s == "\x1b\t" {
		return true
	}
	if len(s) < 3 || len(s) > maxSequence || s[0] != 0x1b || s[1] != '[' && s[1] != 'O' {
		return false
	}
	for _, report := range []string{"\x1b[M", "\x1b[<", "\x1b[I", "\x1b[O", "\x1b[200~", "\x1b[201~"} {
		if strings.HasPrefix(s, report) {
			return false
		}
	}
	last := len(s) - 1
	for i := 2; i < last; i++ {
		if s[i] < ' ' || s[i] > '?' && (s[i] != '[' || i > 2) {
			return false
		}
	}
	return s[last] >= '@' && s[last] <= '~' && (s[last] != '[' || last > 2) || s[last] == '$'
}

// readAs reports whether the sequence is this key for any terminal.
func readAs(sequence, name string) bool {
	d := NewDecoder(KeyOptions{})
	n, ok := d.next([]byte(sequence), true)
	return ok && n == len(sequence) && len(d.events) == 1 && d.events[0].Kind == Named && d.events[0].Key == name
}

// ownKey looks for a key of the terminal's entry at the begin of p. more: it may
// still become one. Of two that begin alike it is the shorter, however they come.
func (d *Decoder) ownKey(p []byte) (name string, n int, more bool) {
	for sequence, key := range d.own {
		switch {
		case len(p) >= len(sequence) && string(p[:len(sequence)]) == sequence:
			if n == 0 || len(sequence) < n {
				name, n = key, len(sequence)
			}
		case len(p) < len(sequence) && sequence[:len(p)] == string(p):
			more = true
		}
	}
	return name, n, more && n == 0
}
