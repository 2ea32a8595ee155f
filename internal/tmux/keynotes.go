package tmux

import (
	"errors"
	"slices"
	"strings"
)

// BoundKey is a key of a table, and what it is bound to.
type BoundKey struct {
	Table, Key string
	Bound      *Binding
}

// Bound lists the keys of a table in the order of their names, and Tables the
// tables that there are: those that everybody has come first.
func (t *KeyTables) Bound(table string) []BoundKey {
	in := t.tables[table]
	if in == nil {
		return nil
	}
	all := make([]BoundKey, 0, len(in.keys))
	for key, b := range in.keys {
		all = append(all, BoundKey{table, key, b})
	}
	slices.SortFunc(all, func(a, b BoundKey) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Binds reports whether a key is bound there to the same as elsewhere.
func (t *KeyTables) Binds(b BoundKey) bool {
	in := t.tables[b.Table]
	return in != nil && in.keys[b.Key] != nil && *in.keys[b.Key] == *b.Bound
}

// Tables lists the names of the tables: first those by which keys are looked up
// that are pressed by themselves, or behind the prefix key.
func (t *KeyTables) Tables() []string {
	all := NotedTables()
	var others []string
	for name := range t.tables {
		if !slices.Contains(all, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	return append(all, others...)
}

// Written is how a key of a table is pressed in this session, such as "C-b c".
func (m *KeyMap) Written(table, key string) string {
	switch table {
	case prefixTable:
		if m.prefix[0] == "" || m.prefix[0] == noKey {
			return key
		}
		return m.prefix[0] + " " + key
	case m.table:
		return key
	}
	return table + ": " + key
}

// NotedTables are the names of the tables that everybody has.
func NotedTables() []string { return []string{prefixTable, rootTable} }

// NoteCommands returns the command lines, for a control-mode connection, whose
// replies are the notes of [NotedTables].
func NoteCommands(opts ParseOptions) ([]string, error) {
	list, ok := SpellCommand("list-keys", opts)
	if !ok {
		return nil, errors.New("the server's command-alias hides list-keys")
	}
	var lines []string
	for _, table := range NotedTables() {
		line := list + " -N -P '' -T " + table
		if opts.Version.AtLeast(Version{Major: 3, Minor: 7}) { // there it passes over some that have one
			line = list + " -T " + table + " -F '#{key_string} #{=200:key_note}'"
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// ParseNotes reads what list-keys -N has printed: a key in each line, and the note
// that was bound with it. Of a key that has several lines nobody knows which is its
// own.
func ParseNotes(listed string) map[string]string {
	notes, seen := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(listed) {
		key, note, ok := strings.Cut(strings.TrimSpace(line), " ")
		switch key = PlainKey(key); {
		case seen[key]:
			delete(notes, key)
		case ok:
			notes[key] = strings.TrimSpace(note)
		}
		seen[key] = true
	}
	return notes
}
