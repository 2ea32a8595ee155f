package tmux

import (
	"fmt"
	"strconv"
	"strings"
)

// Detail says how much of a server is fetched.
type Detail uint8

const (
	// Core is what resolving and deciding needs: ids, names, places, sizes,
	// clients. It is cheap enough to fetch for each command.
	Core Detail = iota
	// Full adds what formats may show: titles, commands, paths, histories,
	// modes, times, layouts, paste buffers.
	Full
	// Places is Core without the clients: of a server with a thousand of them tmux tells the
	// rest in a fifth of the time.
	Places

	// Details is how many there are.
	Details
)

// A row is a letter and fields, separated by single spaces, on a line of its
// own. Most rows come from one format with tmux's loops in it, so that they
// describe one moment: a window's row follows its session's, a pane's its
// window's. What tmux looks up costs it about a microsecond each, so Core asks
// for little; places of panes are read from the window's layout.
//
// Fields that hold free text are quoted by tmux (q: puts a backslash before
// what a shell would treat specially, spaces among it) unless they come last.
// What a program in a pane may choose is also reduced to printable ASCII by
// s/…/?/ around all such fields of a row, so that no row can be forged or broken
// by it, and so are names of buffers; newlines are taken out of options, of names of groups, and
// of names of windows, into which new-window -n puts them as they are before 3.7 (see [inRow]). Names of sessions, titles and samples of buffers cannot
// hold control characters, tmux refuses or escapes them when they are set, and
// names of clients are given by who made the connection, which on a guarded
// server is muxward. The first letter keeps a row from looking like a line of
// the control protocol.
const (
	serverRow  = `O #{pid} #{start_time} #{version}`
	serverMark = ` #{q:@muxward_id}`
	sessionRow = `S #{session_id} #{session_activity} #{session_last_attached} #{session_attached} #{session_stack} ` +
		`#{renumber-windows} #{base-index}`
	sessionOf = ` #{q:session_group}`
	windowRow = `W #{window_index} #{window_id} #{window_raw_flags} #{pane-base-index} #{pane-border-status} #{window_layout}`
	paneRow   = `P #{pane_id} #{pane_index} #{pane_last} #{pane_pid} #{pane_tty}`
	activeRow = `A #{pane_id} #{pane_index} #{pane_last} #{pane_pid} #{pane_tty}`
	clientRow = `C #{client_pid} #{session_id} #{client_activity} #{client_flags} #{q:client_tty}`

	// Only if a pane is marked: each place it is linked at, and whether that is
	// the place it was marked at.
	markedRows = `#{?pane_marked_set,#{S:#{W:#{P:#{?pane_marked,` +
		`M #{session_marked}#{window_marked_flag} #{session_id} #{window_index} #{window_id} #{pane_id}` + "\n" + `,}}}},}`

	// From 3.7 on tmux leaves an expansion unfinished that takes it too long, and
	// says nothing: what it had not come to is empty, this last one with it.
	endRow = `#{?pid,E whole,}`

	printable = `#{s/[^ -~]/?/:` // and a closing brace after the fields

	serverMore  = ` #{set-clipboard} #{exit-unattached}`
	serverFree  = ` #{q:default-shell} #{q:default-command}`
	sessionMore = ` #{session_created} #{session_group_size}` + printable + ` #{q:session_path}}`
	windowMore  = ` #{window_visible_layout} #{window_activity} #{window_cell_width} #{window_cell_height} #{q:window_linked_sessions_list}`
	paneMore    = ` #{pane_left} #{pane_top} #{pane_width} #{pane_height} ` +
		`#{pane_dead}#{pane_input_off}#{pane_synchronized}#{pane_pipe}#{alternate_on} #{pane_in_mode} #{pane_mode} ` +
		`#{history_size} #{history_limit} #{history_bytes} #{cursor_x} #{cursor_y} #{pane_dead_status}`
	paneFree   = ` #{q:pane_current_command} #{q:pane_current_path} #{q:pane_start_command}`
	paneLast   = ` #{q:pane_title}`
	clientMore = ` #{client_created} #{client_width} #{client_height} #{q:client_last_session}`
	// Not client_user: see [Snapshot.SetUser].
	clientFree = ` #{q:client_uid} #{q:client_termname}`
	bufferRow  = `B #{buffer_size} #{buffer_created}` + printable + ` #{q:buffer_name}} #{q:buffer_sample}`
)

// rowFormats are the rows that a version of tmux is asked for.
type rowFormats struct{ server, session, window, pane, active, client string }

func rowsFor(d Detail, v Version) rowFormats {
	f := rowFormats{serverRow + inRow(serverMark), sessionRow + inRow(sessionOf), windowRow, paneRow, activeRow, clientRow}
	if d != Full {
		return f
	}
	screen, mode, client := fieldsFor(paneFields(), v), fieldsFor(modeFields(), v), fieldsFor(clientFields(), v)
	f.server += serverMore + inRow(serverFree) + fmt.Sprintf(" %d %d %d", len(screen), len(mode), len(client))
	f.session += sessionMore
	f.window += windowMore
	more := paneMore + printable + paneFree + fetched(screen) +
		`#{?pane_in_mode,` + fetched(mode) + `,}}` + paneLast
	f.pane, f.active = f.pane+more, f.active+more
	f.client += clientMore + printable + clientFree + fetched(client) + `}`
	return f
}

// SnapshotCommands returns the command lines, for a control-mode connection,
// whose replies make a [Snapshot]. The connection must have declared itself
// UTF-8, or tmux replaces what is not ASCII in names. Send them in one write.
//
// The commands go by their full names and ask for what tmux 3.3a has. If the
// server is of another version, or its command-alias option may shadow those
// names, use [SnapshotCommandsFor].
func SnapshotCommands(d Detail) []string { return snapshotCommands(d, Reference()) }

func snapshotCommands(d Detail, v Version) []string {
	f, name := rowsFor(d, v), `#{window_name}`
	if !v.AtLeast(v37) { // which takes none with a newline
		name = inRow(name)
	}
	state := f.server + "\n" + markedRows +
		`#{S:` + f.session + ` #{session_name}` + "\n" +
		`#{W:` + f.window + ` ` + name + "\n" +
		`#{P:` + f.pane + "\n," + f.active + "\n" + `}}}` + endRow
	lines := []string{`display-message -p "` + strings.ReplaceAll(state, "\n", `\n`) + `"`}
	if d != Places {
		lines = append(lines, `list-clients -F '`+f.client+` #{q:client_name}'`)
	}
	lines = append(lines, `show-options -s command-alias`)
	if d == Full {
		lines = append(lines, `list-buffers -F '`+bufferRow+`'`)
	}
	return lines
}

// SnapshotCommandsFor is [SnapshotCommands] for the version in opts, with every
// command spelled so that none of the aliases there stands in its way. A caller
// that keeps a server's aliases compares them with those of the new snapshot,
// and fetches again if they changed.
func SnapshotCommandsFor(d Detail, opts ParseOptions) ([]string, error) {
	lines := snapshotCommands(d, opts.Version.orReference())
	for i, line := range lines {
		name, rest, _ := strings.Cut(line, " ")
		spelled, ok := SpellCommand(name, opts)
		if !ok {
			return nil, fmt.Errorf("%s: this server's command-alias option hides the command", name)
		}
		lines[i] = spelled + " " + rest
	}
	return lines, nil
}

// ParseSnapshot makes a snapshot from the replies to [SnapshotCommands] of the
// same detail, in the same order: the text between the guards, one line each.
func ParseSnapshot(d Detail, replies [][]byte) (*Snapshot, error) {
	letters := map[Detail][]string{Core: {"OMSWPAE", "C", ""}, Full: {"OMSWPAE", "C", "", "B"}, Places: {"OMSWPAE", ""}}[d]
	if want := len(letters); len(replies) != want || want == 0 {
		return nil, fmt.Errorf("snapshot: %d replies, want %d", len(replies), want)
	}
	b := newBuilder(d)
	for i, letters := range letters {
		if letters == "" {
			b.snap.Options.Aliases = ParseAliases(string(replies[i]), b.snap.Version)
			continue
		}
		if err := b.rows(string(replies[i]), letters); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	if err := b.finish(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return b.snap, nil
}

// rows reads the lines of one reply, which may be of these letters.
func (b *builder) rows(reply, letters string) error {
	for reply != "" {
		var line string
		line, reply, _ = strings.Cut(reply, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue // the end of the format is not the end of a row
		}
		if len(line) < 2 || strings.IndexByte(letters, line[0]) < 0 || line[1] != ' ' {
			return fmt.Errorf("unexpected line %.60q, want one that starts with one of %s", line, letters)
		}
		r := row{rest: line[2:], more: true}
		err := b.row(line[0], &r)
		if r.err != nil {
			err = r.err
		}
		if err != nil {
			return fmt.Errorf("line %.60q: %w", line, err)
		}
	}
	return nil
}

func (b *builder) row(letter byte, r *row) error {
	switch letter {
	case 'O':
		return b.server(r)
	case 'M':
		return b.mark(r)
	case 'S':
		return b.session(r)
	case 'W':
		return b.window(r)
	case 'C':
		return b.client(r)
	case 'B':
		return b.buffer(r)
	case 'E':
		b.whole = r.last() == "whole"
		return nil
	}
	return b.pane(r, letter == 'A')
}

// row reads the fields of one line. The first error sticks.
type row struct {
	rest string
	more bool
	err  error
}

func (r *row) fail(what, field string) {
	if r.err == nil {
		r.err = fmt.Errorf("not %s: %.40q", what, field)
	}
}

// word returns the next field, which holds no free text.
func (r *row) word() string {
	if !r.more {
		r.fail("a field", "end of line")
		return ""
	}
	var field string
	field, r.rest, r.more = strings.Cut(r.rest, " ")
	return field
}

// text returns the next field, quoted with backslashes.
func (r *row) text() string {
	if !r.more {
		r.fail("a field", "end of line")
		return ""
	}
	end := 0
	for end < len(r.rest) && r.rest[end] != ' ' {
		if r.rest[end] == '\\' && end+1 < len(r.rest) {
			end++
		}
		end++
	}
	field := r.rest[:end]
	if r.more = end < len(r.rest); r.more {
		r.rest = r.rest[end+1:]
	}
	return unquote(field)
}

// ascii returns the next field, quoted, as printable ASCII. tmux was asked to
// make it that, but its pattern does not match bytes that are no character.
func (r *row) ascii() string {
	s := r.text()
	if plainText(s) {
		return s
	}
	b := []byte(s)
	for i := range b {
		if b[i] < ' ' || b[i] > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}

func unquote(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// last returns all that is left of the line.
func (r *row) last() string {
	if !r.more {
		r.fail("a field", "end of line")
	}
	r.more = false
	return r.rest
}

// number returns the next field as a number; an empty one is 0.
func (r *row) number() int64 {
	n := r.signed()
	if n < 0 {
		r.fail("a number", strconv.FormatInt(n, 10))
		return 0
	}
	return n
}

// signed returns the next field as a number that may be below 0; an empty one
// is 0.
func (r *row) signed() int64 {
	field := r.word()
	if field == "" {
		return 0
	}
	n, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		r.fail("a number", field)
	}
	return n
}

// place returns the next field as a coordinate: floating panes may lie outside
// of their window.
func (r *row) place() int { return int(max(min(r.signed(), 1<<31-1), -1<<31)) }

// count returns the next field as a number of fields.
func (r *row) count(most int) int {
	n := r.int()
	if n > most {
		r.fail("a number of fields", strconv.Itoa(n))
		return 0
	}
	return n
}

func (r *row) int() int { return int(min(r.number(), 1<<31-1)) }

// size returns the next field as a number, -1 if it is empty.
func (r *row) size() int {
	if r.more && (r.rest == "" || r.rest[0] == ' ') {
		r.word()
		return -1
	}
	return r.int()
}

func (r *row) flag() bool {
	field := r.word()
	return field == "1" || field == "on"
}

func (r *row) sessionID() SessionID {
	id, err := ParseSessionID(r.word())
	if err != nil && r.err == nil {
		r.err = err
	}
	return id
}

func (r *row) windowID() WindowID {
	id, err := ParseWindowID(r.word())
	if err != nil && r.err == nil {
		r.err = err
	}
	return id
}

func (r *row) paneID() PaneID {
	id, err := ParsePaneID(r.word())
	if err != nil && r.err == nil {
		r.err = err
	}
	return id
}

// bits reads n characters 0 or 1 of one field.
func (r *row) bits(n int) []bool {
	field := r.word()
	set := make([]bool, n)
	if len(field) != n || strings.Trim(field, "01") != "" {
		r.fail(strconv.Itoa(n)+" flags", field)
		return set
	}
	for i := range n {
		set[i] = field[i] == '1'
	}
	return set
}
