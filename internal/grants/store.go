package grants

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// MaxGiven is how many grants are given at once, maxByOne how many of them by
// one person.
const (
	MaxGiven = 10_000
	maxByOne = 1_000
)

// Store keeps the grants that are given on disk. What it has acknowledged is there
// after a crash. What has ended is not kept: the log has it. Reading is lock-free.
//
// It keeps SQLite's rollback journal and not a write-ahead log: a log that is
// damaged reads as one that ends sooner, and a grant that was taken back would
// be there again without a word.
type Store struct {
	path string

	mu   sync.Mutex  // serialises writers
	db   *sql.DB     // nil while it cannot be opened again
	file os.FileInfo // what was opened
	head head
	// unsaved are changes that hold but are not on disk yet: they are written with
	// what is written next.
	unsaved map[int64]change
	closed  bool
	// lives has the life of each owner's server in which something was given last.
	lives map[string]life

	atStart []Grant                  // what opening it has changed
	invited []Invite                 // of the invites likewise
	list    atomic.Pointer[[]*Grant] // those that are given, by their numbers
	invites atomic.Pointer[[]Invite]
	fault   atomic.Pointer[error] // why not all is on disk
}

// life is one life of a tmux server, and when it was seen.
type life struct {
	incarnation string
	seen        time.Time
}

// head is the row that tells whether all others are there.
type head struct {
	Form int   `json:"form"`
	Next int64 `json:"next"`
	Rows int   `json:"rows"`
	// Sums is the sum of all rows' sums, by exclusive or.
	Sums  digest `json:"sums"`
	Clock Clock  `json:"clock"`
}

const form = 1

// digest is a SHA-256, in hexadecimal where it is written.
type digest [sha256.Size]byte

// MarshalText writes it.
func (d digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads it.
func (d *digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return errors.New("a sum has another length")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

func (d *digest) xor(o digest) {
	for i := range d {
		d[i] ^= o[i]
	}
}

func sumOf(id int64, body string) digest {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s", id, body))
}

// OpenStore reads the store at path, or makes it. A store that is damaged is
// copied, and the error is a [*Damaged]. now is the time that it is: grants with
// a limit do not gain by a clock that was set back since the store was written.
func OpenStore(ctx context.Context, path string, now Clock) (s *Store, err error) {
	s = &Store{path: path, unsaved: map[int64]change{}, lives: map[string]life{}}
	s.list.Store(&[]*Grant{})
	s.invites.Store(&[]Invite{})
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path); err != nil {
			return nil, fmt.Errorf("make the store of grants: %w", err)
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, refuse(path, now.Wall, err)
	}
	found, err := s.read(ctx)
	if err != nil {
		_ = s.db.Close()
		return nil, refuse(path, now.Wall, err)
	}
	s.begin(ctx, found, now)
	return s, nil
}

// open opens the file with one connection: there is one writer.
func (s *Store) open(ctx context.Context) error {
	f, err := os.OpenFile(s.path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	s.file, err = f.Stat()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	full, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	dsn := url.URL{Scheme: "file", Path: full, RawQuery: url.Values{"_pragma": {
		"busy_timeout(2000)", "journal_mode(DELETE)", "synchronous(EXTRA)", "locking_mode(EXCLUSIVE)",
		"trusted_schema(OFF)", "cell_size_check(ON)", "temp_store(MEMORY)",
	}, "_txlock": {"immediate"}}.Encode()}
	if s.db, err = sql.Open("sqlite", dsn.String()); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	return nil
}

// contents are what a store holds: what is given, and what was not on record when it
// was written.
type contents struct {
	given, pending []Grant
	open, unopened []Invite // invites likewise
}

func (c *contents) len() int { return len(c.given) + len(c.pending) + len(c.open) + len(c.unopened) }

// read checks the whole store and gives what is in it.
func (s *Store) read(ctx context.Context) (found contents, err error) {
	defer func() {
		if r := recover(); r != nil { // in the reading of what is no database
			err = fmt.Errorf("it cannot be read: %v", r)
		}
	}()
	var word string
	if err := s.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&word); err != nil {
		return found, err
	}
	if word != "ok" {
		return found, errors.New(word)
	}
	h, err := s.readHead(ctx)
	if err != nil {
		return found, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT id, body, sum FROM grants ORDER BY id")
	if err != nil {
		return found, err
	}
	defer rows.Close()
	var sums digest
	for rows.Next() {
		id, sum, err := found.readRow(rows)
		if err != nil {
			return found, err
		}
		sums.xor(sum)
		if id <= 0 || id >= h.Next {
			return found, fmt.Errorf("number %d was never given", id)
		}
	}
	if err := rows.Err(); err != nil {
		return found, err
	}
	if found.len() != h.Rows || sums != h.Sums {
		return found, errors.New("it does not hold what was written last")
	}
	s.head = h
	return found, nil
}

func (c *contents) readRow(rows *sql.Rows) (id int64, sum digest, err error) {
	var body string
	var raw []byte
	if err := rows.Scan(&id, &body, &raw); err != nil {
		return id, sum, err
	}
	sum = sumOf(id, body)
	if !slices.Equal(raw, sum[:]) {
		return id, sum, fmt.Errorf("number %d has changed", id)
	}
	says, err := c.take(body)
	if err != nil {
		return id, sum, foreign{fmt.Errorf("number %d: %w", id, err)}
	}
	if says != id {
		return id, sum, fmt.Errorf("number %d says that it is %d", id, says)
	}
	return id, sum, nil
}

// take takes in what a row says, and gives its number.
func (c *contents) take(body string) (int64, error) {
	if isInvite(body) {
		v, pending, err := readInvite(body)
		into := &c.open
		if pending {
			into = &c.unopened
		}
		*into = append(*into, v)
		return v.ID, err
	}
	g, pending, err := readBody(body)
	into := &c.given
	if pending {
		into = &c.pending
	}
	*into = append(*into, g)
	return g.ID, err
}

// create makes a new store beside path and puts it there when it is whole: an
// empty file is a damaged store and not a new one.
func create(ctx context.Context, path string) error {
	made := path + ".new"
	for _, old := range []string{made, made + journal} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(made, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	s := &Store{path: made}
	if err := s.open(ctx); err != nil {
		return err
	}
	err = s.fill(ctx)
	if cerr := s.db.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = setAside(path)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return err
	}
	return syncDir(path)
}

// setAside moves a journal away that a store of this name has left behind: it
// would be rolled back into the new one. Whoever puts the old store back may need it.
func setAside(path string) error {
	err := os.Rename(path+journal, path+".left"+journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fill makes the tables of a new store.
func (s *Store) fill(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, q := range []string{
		"CREATE TABLE grants (id INTEGER PRIMARY KEY, body TEXT NOT NULL, sum BLOB NOT NULL) STRICT",
		"CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), body TEXT NOT NULL, sum BLOB NOT NULL) STRICT",
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if err := writeHead(ctx, tx, head{Form: form, Next: 1}); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *Store) readHead(ctx context.Context) (head, error) {
	var body string
	var raw []byte
	var h head
	if err := s.db.QueryRowContext(ctx, "SELECT body, sum FROM head WHERE id = 0").Scan(&body, &raw); err != nil {
		return h, fmt.Errorf("what was written last: %w", err)
	}
	if sum := sumOf(0, body); !slices.Equal(raw, sum[:]) {
		return h, errors.New("what was written last has changed")
	}
	var first struct{ Form int } // the rest is for whoever knows the form
	if err := json.Unmarshal([]byte(body), &first); err != nil {
		return h, err
	}
	if first.Form != form {
		return h, foreign{fmt.Errorf("it has form %d and not %d", first.Form, form)}
	}
	return h, strict([]byte(body), &h)
}

func writeHead(ctx context.Context, tx *sql.Tx, h head) error {
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := sumOf(0, string(body))
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO head VALUES (0, ?, ?)", string(body), sum[:])
	return err
}

// Why grants have ended.
const (
	errClock    = "the clock is behind what it was before the machine was started again"
	notRecorded = "muxward ended before it was on record"
)

// minLag is by how much a clock has to be behind to have been set back: looking at
// the time takes time.
const minLag = time.Second

// begin puts in force what was read. Where the clock was set back meanwhile,
// limits come as much sooner; by how much cannot be told if the machine was
// started anew, and then they have come. If that cannot be written it holds all
// the same, and is found out again at the next start: it is one transaction with
// the time.
func (s *Store) begin(ctx context.Context, found contents, now Clock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lag, exact := now.behind(s.head.Clock)
	for _, g := range found.pending {
		s.ends(g.ended(TakenBack, now.Wall, "muxward", notRecorded))
	}
	var list []*Grant
	for _, g := range found.given {
		was := g.Until
		if !g.lose(lag, exact) {
			s.ends(g.ended(Over, now.Wall, "muxward", errClock))
			continue
		}
		if !g.Until.Equal(was) {
			row, err := changeTo(g, false)
			if err != nil { // it was for the first years of all
				s.ends(g.ended(Over, now.Wall, "muxward", errClock))
				continue
			}
			s.unsaved[g.ID] = row
			s.atStart = append(s.atStart, g)
		}
		list = append(list, &g)
	}
	s.list.Store(&list)
	s.beginInvites(found, lag, exact, now)
	next := s.head
	next.Clock = now
	_ = s.write(ctx, next) // Fault tells of it, and the next write does it
}

// lose takes off a limit what the clock was set back by, and reports whether there is
// something left of it for all that is known.
func (g *Grant) lose(lag time.Duration, exact bool) bool {
	if g.Until.IsZero() || lag < minLag || !neverBack() {
		return true
	}
	if g.Until = g.Until.Add(-lag); !g.NotBefore.IsZero() {
		g.NotBefore = g.NotBefore.Add(-lag)
	}
	return exact
}

// ends notes at the start that a grant is not given any more.
func (s *Store) ends(g Grant) {
	s.unsaved[g.ID] = change{id: g.ID}
	s.atStart = append(s.atStart, g)
}

// AtStart gives what was changed when the store was opened: grants that have ended,
// and, still given, those that end sooner now.
func (s *Store) AtStart() []Grant { return s.atStart }

func byID(g *Grant, id int64) int { return cmp.Compare(g.ID, id) }

// Close lets go of the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}
