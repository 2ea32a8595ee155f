package grants

import (
	"bytes"
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

// keepEnded is how long an ended grant stays in the store. The log has it for
// good.
const keepEnded = 30 * 24 * time.Hour

// Store keeps grants on disk. What it has acknowledged is there after a crash.
// Reading is lock-free.
//
// It keeps SQLite's rollback journal and not a write-ahead log: a log that is
// damaged reads as one that ends sooner, and a grant that was taken back would
// be there again without a word.
type Store struct {
	path string

	mu   sync.Mutex // serialises writers
	db   *sql.DB
	file os.FileInfo // what was opened
	head head
	// unsaved are ends that hold but are not on disk yet: they are written with
	// what is written next.
	unsaved map[int64]Grant
	fault   error // why nothing more is written

	list atomic.Pointer[[]Grant] // those that are given, by their numbers
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

// Damaged is the error of a store that does not say what was given. Copy is
// where it was put aside; the original stays where it is.
type Damaged struct {
	Path, Copy string
	Err        error
}

func (d *Damaged) Error() string {
	kept := "no copy could be made"
	if d.Copy != "" {
		kept = "a copy is " + d.Copy
	}
	return fmt.Sprintf("the grants in %s are damaged: %v; %s; none of them counts: put the file back from a copy, "+
		"or move it away to begin anew, and start muxward again", d.Path, d.Err, kept)
}

// Unwrap gives what is wrong with it.
func (d *Damaged) Unwrap() error { return d.Err }

// OpenStore reads the store at path, or makes it. A store that is damaged is
// copied, and the error is a [*Damaged]. now is the time that it is: grants with
// a limit do not gain by a clock that was set back since the store was written.
func OpenStore(ctx context.Context, path string, now Clock) (s *Store, err error) {
	s = &Store{path: path, unsaved: map[int64]Grant{}}
	s.list.Store(&[]Grant{})
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path); err != nil {
			return nil, fmt.Errorf("make the store of grants: %w", err)
		}
	}
	if err := s.open(ctx); err != nil {
		return nil, putAside(path, now.Wall, err)
	}
	all, err := s.read(ctx)
	if err != nil {
		_ = s.db.Close()
		return nil, putAside(path, now.Wall, err)
	}
	s.begin(ctx, all, now)
	return s, nil
}

// putAside copies a store that cannot be used, unless it was copied before.
func putAside(path string, at time.Time, why error) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("open the grants in %s: %w", path, errors.Join(why, err))
	}
	d := &Damaged{Path: path, Err: why}
	copies, _ := filepath.Glob(path + ".damaged-*") // the pattern is well-formed, or matches nothing
	for _, old := range copies {
		if kept, err := os.ReadFile(old); err == nil && bytes.Equal(kept, data) {
			d.Copy = old
			return d
		}
	}
	aside := path + ".damaged-" + at.UTC().Format("20060102T150405.000000000")
	if err := replaceFile(aside, data); err == nil {
		d.Copy = aside
	} else {
		d.Err = errors.Join(why, err)
	}
	return d
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

// read checks the whole store and gives all that is in it.
func (s *Store) read(ctx context.Context) (all []Grant, err error) {
	defer func() {
		if r := recover(); r != nil { // in the reading of what is no database
			err = fmt.Errorf("it cannot be read: %v", r)
		}
	}()
	var word string
	if err := s.db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&word); err != nil {
		return nil, err
	}
	if word != "ok" {
		return nil, errors.New(word)
	}
	if s.head, err = s.readHead(ctx); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT id, body, sum FROM grants ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sums digest
	for rows.Next() {
		g, sum, err := readRow(rows)
		if err != nil {
			return nil, err
		}
		sums.xor(sum)
		if g.ID <= 0 || g.ID >= s.head.Next {
			return nil, fmt.Errorf("number %d was never given", g.ID)
		}
		all = append(all, g)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(all) != s.head.Rows || sums != s.head.Sums {
		return nil, errors.New("it does not hold what was written last")
	}
	return all, nil
}

func readRow(rows *sql.Rows) (Grant, digest, error) {
	var id int64
	var body string
	var raw []byte
	var g Grant
	if err := rows.Scan(&id, &body, &raw); err != nil {
		return g, digest{}, err
	}
	sum := sumOf(id, body)
	if !slices.Equal(raw, sum[:]) {
		return g, sum, fmt.Errorf("number %d has changed", id)
	}
	if err := strict([]byte(body), &g); err != nil {
		return g, sum, fmt.Errorf("number %d: %w", id, err)
	}
	if g.ID != id {
		return g, sum, fmt.Errorf("number %d says that it is %d", id, g.ID)
	}
	if err := g.check(); err != nil {
		return g, sum, fmt.Errorf("number %d: %w", id, err)
	}
	return g, sum, nil
}

// create makes a new store beside path and puts it there when it is whole: an
// empty file is a damaged store and not a new one.
func create(ctx context.Context, path string) error {
	made := path + ".new"
	for _, old := range []string{made, made + "-journal"} {
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
		err = os.Rename(made, path)
	}
	if err != nil {
		return err
	}
	return syncDir(path)
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
	if err := strict([]byte(body), &h); err != nil {
		return h, err
	}
	if h.Form != form {
		return h, fmt.Errorf("it has form %d and not %d: another muxward wrote it", h.Form, form)
	}
	return h, nil
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

// errClock ends grants whose time cannot be told.
const errClock = "the clock is behind what it was before the machine was started again"

// begin puts in force what was read. Where the clock was set back meanwhile,
// limits come as much sooner; by how much cannot be told if the machine was
// started anew, and then they have come.
func (s *Store) begin(ctx context.Context, all []Grant, now Clock) {
	lag, exact := now.behind(s.head.Clock)
	var list, changed []Grant
	var old []int64
	for _, g := range all {
		switch {
		case g.State != Given:
			if now.Wall.Sub(g.EndedAt) > keepEnded {
				old = append(old, g.ID)
			}
			continue
		case g.Until.IsZero() || lag <= 0 || !neverBack:
		case exact:
			g.Until = g.Until.Add(-lag)
			if !g.Until.After(g.NotBefore) {
				g = g.ended(Over, now.Wall, "muxward", "the clock was set back")
			}
			changed = append(changed, g)
		default:
			g = g.ended(Over, now.Wall, "muxward", errClock)
			changed = append(changed, g)
		}
		if g.State == Given {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, byID)
	next := s.head
	next.Clock = now
	if err := s.commit(ctx, next, changed, old); err != nil {
		_ = s.db.Close()
		list = s.unwritten(list, changed, err)
	}
	s.list.Store(&list)
}

// unwritten is begin where nothing can be written. What would have to be written
// as it holds now counts for nothing, and the time of the last write stays what it
// is, so that it is found out again at the next start.
func (s *Store) unwritten(list, changed []Grant, why error) []Grant {
	err := s.reopen()
	if err == nil && len(changed) == 0 {
		return list
	}
	s.fault = fmt.Errorf("%w; make room and start muxward again", errors.Join(why, err))
	return slices.DeleteFunc(list, func(g Grant) bool {
		return slices.ContainsFunc(changed, func(c Grant) bool { return c.ID == g.ID })
	})
}

func byID(a, b Grant) int { return cmp.Compare(a.ID, b.ID) }

// Close lets go of the store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = errors.New("the store of grants is closed")
	return s.db.Close()
}
