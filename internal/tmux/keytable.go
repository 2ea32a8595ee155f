package tmux

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The most that is read of a server's bindings: some thirty times what people
// have.
const (
	maxKeyBytes = 1 << 20
	maxBindings = 10000
)

// ErrManyKeys is the error of a server with more bindings than are read here.
var ErrManyKeys = fmt.Errorf("the server has more key bindings than are read here (%d, or %d MiB)",
	maxBindings, maxKeyBytes>>20)

// KeyTables are the key tables of a server, and what each of its sessions makes
// of them, at one moment. It is immutable.
type KeyTables struct {
	// EscapeTime is how long the begin of a longer key is waited for.
	EscapeTime time.Duration

	version    Version
	prefixTime time.Duration // the option prefix-timeout; 0 for none
	listed     string        // what list-keys has printed
	tables     map[string]*keyTable
	sessions   map[SessionID]*KeyMap
}

// Binding is what a key is bound to.
type Binding struct {
	// Repeat: the key may be pressed again without the prefix key.
	Repeat bool

	text    string
	version Version
	column  int
}

// keyTable is one table. Most keys are bound to nothing: that is known of an
// ASCII key by its bit.
type keyTable struct {
	keys map[string]*Binding
	set  asciiSet
}

// asciiSet has the plain ASCII keys that are bound, or mean something otherwise.
type asciiSet struct {
	bits  [2]uint64
	other bool // some key that is a character but not ASCII is, too
}

func (s *asciiSet) has(c byte) bool {
	if c >= utf8.RuneSelf {
		return s.other
	}
	return s.bits[c>>6]&(1<<(c&63)) != 0
}

// add adds the key of this name.
func (s *asciiSet) add(key string) {
	if key == anyKey {
		*s = asciiSet{bits: [2]uint64{1<<64 - 1, 1<<64 - 1}, other: true}
		return
	}
	for c := range rune(utf8.RuneSelf) {
		if CharKey(c) == key {
			s.bits[c>>6] |= 1 << (c & 63)
			return
		}
	}
	c, n := utf8.DecodeRuneInString(key)
	s.other = s.other || c >= utf8.RuneSelf && n == len(key)
}

// anyKey stands for every key without a binding of its own.
const anyKey = "Any"

// KeyCommands returns the command lines, for a control-mode connection, whose
// replies make [KeyTables]. Send them in one write.
func KeyCommands(opts ParseOptions) ([]string, error) {
	list, ok := SpellCommand("list-keys", opts)
	display, ok2 := SpellCommand("display-message", opts)
	if !ok || !ok2 {
		return nil, errors.New("the server's command-alias hides list-keys or display-message")
	}
	asked := `K #{escape-time} #{prefix-timeout}\n#{S:` +
		`S #{session_id} #{repeat-time} #{initial-repeat-time} #{q:prefix} #{q:prefix2} #{q:key-table}\n}`
	if opts.Version.orReference().AtLeast(v37) {
		asked += endRow
		list += ` -F '` + listFormat + `'`
	}
	return []string{display + ` -p "` + asked + `"`, list}, nil
}

// listFormat is what list-keys goes by itself, and a last thing in each line. From 3.7 on each is
// an expansion, which tmux may leave unfinished (see endRow): a line that lacks its key, and has
// all the rest, reads as if its command were the key. Of one that tmux has not even begun in time
// there is no line: that key is known again when the tables are next looked at.
const listFormat = `bind-key #{?key_has_repeat,#{?key_repeat,-r,  },} -T #{p|#{key_table_width}:key_table} ` +
	`#{p|#{key_string_width}:#{q|a:key_string}} #{key_command}#{?key_table,` + lineWhole + `,}`

const lineWhole = " whole"

// unmarked gives the replies without what tells that they are, or [ErrUnfinished].
func unmarked(options, listed string) (string, string, error) {
	options, is := strings.CutSuffix(strings.TrimRight(options, "\r\n"), "E whole")
	if !is {
		return "", "", ErrUnfinished
	}
	var b strings.Builder
	for line := range strings.Lines(listed) {
		line, is := strings.CutSuffix(strings.TrimRight(line, "\r\n"), lineWhole)
		if !is {
			return "", "", ErrUnfinished
		}
		b.WriteString(line + "\n")
	}
	return options, b.String(), nil
}

// ParseKeyTables makes key tables of the replies to [KeyCommands]. What was read
// before is taken over if nothing has changed in it. The error is [ErrUnfinished] if
// tmux has to be asked again.
func ParseKeyTables(v Version, replies [][]byte, before *KeyTables) (*KeyTables, error) {
	if len(replies) != 2 {
		return nil, fmt.Errorf("key tables: %d replies, want 2", len(replies))
	}
	if len(replies[1]) > maxKeyBytes {
		return nil, ErrManyKeys
	}
	t := &KeyTables{version: v.orReference(), sessions: map[SessionID]*KeyMap{}}
	options, listed := string(replies[0]), string(replies[1])
	if t.version.AtLeast(v37) {
		var err error
		if options, listed, err = unmarked(options, listed); err != nil {
			return nil, err
		}
	}
	if before != nil && before.version == t.version && before.listed == listed {
		t.listed, t.tables = before.listed, before.tables
	} else if err := t.read(listed); err != nil {
		return nil, err
	}
	if t.tables[prefixTable] == nil { // there is a key by which people leave
		leave := &keyTable{keys: map[string]*Binding{"d": {text: "detach-client", version: t.version}}}
		leave.set.add("d")
		t.tables[prefixTable] = leave
	}
	for line := range strings.Lines(options) {
		t.options(strings.TrimRight(line, "\r\n"))
	}
	return t, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= utf8.RuneSelf }) < 0
}

// listedKey is one line of list-keys.
type listedKey struct {
	table, key string
	column     int // of the key, which is the same for all
	bound      *Binding
}

// read reads what list-keys prints: one line for each key. A line that is none
// of a key is passed over, as are tables whose name cannot be told from what
// follows it: the name may hold anything, and is printed as it is.
func (t *KeyTables) read(listed string) error {
	t.listed, t.tables = listed, map[string]*keyTable{}
	var all []listedKey
	column := 0
	for line := range strings.Lines(listed) {
		k, ok := t.line(strings.TrimRight(line, "\r\n"))
		if !ok {
			continue
		}
		if all = append(all, k); len(all) > maxBindings {
			return ErrManyKeys
		}
		// How wide a server holds other characters to be is not known for sure: a
		// table that is named by them is passed over rather than all others.
		if k.column > column && isASCII(k.table) {
			column = k.column
		}
	}
	for _, k := range all {
		if k.column != column && column > 0 { // the name goes on behind its first space
			continue
		}
		in := t.tables[k.table]
		if in == nil {
			in = &keyTable{keys: map[string]*Binding{}}
			t.tables[k.table] = in
		}
		in.keys[k.key] = k.bound
		in.set.add(k.key)
	}
	return nil
}

// line reads: bind-key [-r] -T table key command…
func (t *KeyTables) line(line string) (k listedKey, ok bool) {
	rest, ok := strings.CutPrefix(line, "bind-key ")
	if !ok {
		return k, false
	}
	k.bound = &Binding{version: t.version}
	rest = strings.TrimLeft(rest, " ")
	if more, repeat := strings.CutPrefix(rest, "-r "); repeat {
		k.bound.Repeat, rest = true, strings.TrimLeft(more, " ")
	}
	if rest, ok = strings.CutPrefix(rest, "-T "); !ok {
		return k, false
	}
	from := rest
	if k.table, rest, ok = strings.Cut(rest, " "); !ok || k.table == "" {
		return k, false
	}
	rest = strings.TrimLeft(rest, " ")
	k.column = plainWidth(from[:len(from)-len(rest)])
	k.bound.column = k.column
	r := keyText{text: rest, version: t.version}
	name := r.next(false)
	if name.kind != listedWord || name.text == "" {
		return k, false
	}
	k.key, k.bound.text = PlainKey(name.text), strings.TrimLeft(r.text, " ")
	return k, true
}

// options reads one line about the server or a session. One that is neither is
// passed over.
func (t *KeyTables) options(line string) {
	if rest, ok := strings.CutPrefix(line, "K "); ok {
		r := row{rest: rest, more: true}
		t.EscapeTime = max(milliseconds(r.word()), time.Millisecond)
		t.prefixTime = milliseconds(r.word())
		return
	}
	rest, ok := strings.CutPrefix(line, "S ")
	if !ok {
		return
	}
	r := row{rest: rest, more: true}
	id := r.sessionID()
	m := &KeyMap{all: t, repeat: milliseconds(r.word()), first: milliseconds(r.word())}
	m.prefix[0], m.prefix[1], m.table = PlainKey(r.text()), PlainKey(r.text()), r.text()
	if r.err != nil || r.more || t.sessions[id] != nil {
		return
	}
	m.table = cmp.Or(m.table, rootTable)
	if in := t.tables[m.table]; in != nil {
		m.special = in.set
	}
	for _, key := range m.prefix {
		m.special.add(key)
	}
	t.sessions[id] = m
}

func milliseconds(s string) time.Duration {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0 // a version without the option
	}
	return time.Duration(n) * time.Millisecond
}

// Session gives what keys mean in a session, nil if it was not there.
func (t *KeyTables) Session(id SessionID) *KeyMap { return t.sessions[id] }

// Has reports whether there is a table of this name.
func (t *KeyTables) Has(table string) bool { return t.tables[table] != nil }
