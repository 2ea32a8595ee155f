package tmux

import "time"

const (
	rootTable   = "root"
	prefixTable = "prefix"
)

// KeyMap is what keys mean in one session. It is immutable.
type KeyMap struct {
	all     *KeyTables
	prefix  [2]string
	table   string // where a key is looked up first: the option key-table
	special asciiSet
	// repeat is how long a key may be repeated, first how long before it was; 0
	// means as repeat.
	repeat, first time.Duration
}

// In is the same with keys looked up in a table first, as those of a mode are.
func (m *KeyMap) In(table string) *KeyMap {
	in := *m
	in.table = table
	in.special = asciiSet{}
	in.special.add(anyKey)
	return &in
}

func (m *KeyMap) get(table, key string) *Binding {
	if in := m.all.tables[table]; in != nil {
		return in.keys[key]
	}
	return nil
}

// Keyboard is where one person is in the key tables. The zero value is at the
// beginning.
type Keyboard struct {
	table   string    // "" is the session's own
	entered time.Time // when it was
	repeat  bool      // the key before may be repeated,
	until   time.Time // so long
	last    string
}

// Enter has the next key looked up in a table. As in tmux a repetition is not
// ended by it.
func (k *Keyboard) Enter(table string, now time.Time) { k.table, k.entered = table, now }

// Begun reports that the next key does not mean what it does by itself: it
// follows the prefix key, or a key that may be repeated.
func (k *Keyboard) Begun() bool { return k.table != "" || k.repeat }

// Plain returns how many bytes at the begin of p are keys that are typed: to
// which nothing is bound now. What is not ASCII may be held to be more.
func (k *Keyboard) Plain(m *KeyMap, p []byte) int {
	if k.Begun() {
		return 0
	}
	for i, c := range p {
		if m.special.has(c) {
			return i
		}
	}
	return len(p)
}

// Press takes a key by its name and returns what it is bound to, or whether it
// is to be typed. A key that is neither is over.
func (k *Keyboard) Press(m *KeyMap, key string, now time.Time) (bound *Binding, typed bool) {
	if k.repeat && now.After(k.until) {
		*k = Keyboard{}
	}
	first := k.at(m)
	for range 4 { // each turn but the last leaves a table or ends a repetition
		at := k.at(m)
		if at != prefixTable && key != "" && (key == m.prefix[0] || key == m.prefix[1]) && key != noKey {
			k.Enter(prefixTable, now)
			return nil, false
		}
		repeating := k.repeat
		b := m.get(at, key)
		if k.expired(m, b, now) {
			*k = Keyboard{}
			first = m.table
			continue
		}
		if b == nil {
			b = m.get(at, anyKey)
		}
		switch {
		case b != nil && (!repeating || b.Repeat):
			k.pressed(m, key, b, now)
			return b, false
		case b == nil && !repeating && at == m.table:
			*k = Keyboard{}
			return nil, at == first
		}
		// Tried once more, where keys begin. What ends a repetition is typed if
		// it means nothing there.
		*k = Keyboard{}
		if repeating {
			first = m.table
		}
	}
	return nil, false
}

// noKey is what the options prefix and prefix2 have for no key at all.
const noKey = "None"

func (k *Keyboard) at(m *KeyMap) string {
	if k.table == "" {
		return m.table
	}
	return k.table
}

// expired reports whether the prefix key was pressed too long ago.
func (k *Keyboard) expired(m *KeyMap, b *Binding, now time.Time) bool {
	limit := m.all.prefixTime
	if limit == 0 || k.table != prefixTable || now.Sub(k.entered) <= limit {
		return false
	}
	return b == nil || !k.repeat || !b.Repeat
}

// pressed notes that a key's commands are run: the next key is looked up where
// keys begin, unless this one may be repeated.
func (k *Keyboard) pressed(m *KeyMap, key string, b *Binding, now time.Time) {
	limit := m.repeat
	if limit > 0 && m.first > 0 && (!k.repeat || key != k.last) {
		limit = m.first
	}
	if limit == 0 || !b.Repeat {
		*k = Keyboard{}
		return
	}
	k.repeat, k.until, k.last = true, now.Add(limit), key
}
