package grants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// TestTimesThatCannotBeWritten: somebody gives with times that no text holds, or
// that are odd. They are refused, or written as what they are; what others give and
// take back is on disk all the same.
func TestTimesThatCannotBeWritten(t *testing.T) {
	odd := time.FixedZone("", 24*60*60)
	for what, tc := range map[string]struct {
		from, until time.Time
		refused     bool
	}{
		"a zone that is no zone":   {until: noon.Wall.Add(time.Hour).In(odd)},
		"the year 10000":           {until: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), refused: true},
		"10000 elsewhere":          {until: time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -2*60*60)), refused: true},
		"before all years":         {from: time.Date(-3, 1, 1, 0, 0, 0, 0, time.UTC), refused: true},
		"a nanosecond":             {from: noon.Wall.Add(time.Hour), until: noon.Wall.Add(time.Hour + 1), refused: true},
		"in year 10000 by its end": {from: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), until: time.Date(10000, 1, 2, 0, 0, 0, 0, time.UTC), refused: true},
	} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		give(t, s, typist("bob", time.Time{}))
		g := typist("mallory", tc.until)
		g.NotBefore = tc.from
		g, err := s.Give(context.Background(), g, noon, recorded)
		if (err != nil) != tc.refused {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := s.TakeBack(context.Background(), 1, "alice", "", noon); err != nil || s.Fault() != nil {
			t.Errorf("%s: what others take back: %v, %v", what, err, s.Fault())
		}
		_ = s.Close()
		s = openStore(t, path, noon)
		if _, there := s.Find(1); there {
			t.Errorf("%s: it is given again", what)
		}
		if back, _ := s.Find(g.ID); !tc.refused && !back.Until.Equal(tc.until) {
			t.Errorf("%s: it was until %v and is until %v", what, tc.until, back.Until)
		}
	}
}

// TestClockSetBackBeforeItBegins: a grant that is yet to begin is short, and the
// clock is set back by more, or by the little that looking at it takes. The store
// opens again and again, and the grant lasts no longer than before.
func TestClockSetBackBeforeItBegins(t *testing.T) {
	for _, lag := range []time.Duration{time.Microsecond, 10 * time.Minute} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		g := typist("mallory", noon.Wall.Add(time.Hour+2*time.Second))
		g.NotBefore = noon.Wall.Add(time.Hour)
		give(t, s, g)
		give(t, s, typist("bob", time.Time{}))
		_ = s.Close()
		now := noon
		for i := range 3 {
			now = now.after(time.Second)
			now.Wall = now.Wall.Add(-lag)
			s = openStore(t, path, now)
			_ = s.Close()
			got, there := s.Find(1)
			if len(s.List()) != 2 || !there || got.Until.Sub(got.NotBefore) != 2*time.Second {
				t.Fatalf("lag %v, start %d: %+v", lag, i+1, got)
			}
			want := g.Until
			if lag >= minLag {
				want = g.Until.Add(-time.Duration(i+1) * lag)
			}
			if changed := len(s.AtStart()) == 1; !got.Until.Equal(want) || changed != (lag >= minLag) {
				t.Errorf("lag %v, start %d: until %v, want %v; told of %v", lag, i+1, got.Until, want, s.AtStart())
			}
		}
	}
}

// TestKilledBeforeItWasRecorded: muxward is killed when a grant is on disk but not
// in the log. It never counts, and whoever opens the store can tell of it.
func TestKilledBeforeItWasRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	give(t, s, typist("bob", time.Time{}))
	killed := path + ".killed"
	if _, err := s.Give(context.Background(), typist("carol", time.Time{}), noon, func(Grant) error {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(killed, data, 0o600)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(s.List()) != 2 {
		t.Errorf("given: %v", ids(s))
	}
	s = openStore(t, killed, noon)
	if got := s.AtStart(); len(s.List()) != 1 || len(got) != 1 || got[0].ID != 2 || got[0].State != TakenBack || got[0].EndedWhy != notRecorded {
		t.Errorf("after it was killed: %v, and it tells of %+v", ids(s), got)
	}
	_ = s.Close()
	if s = openStore(t, killed, noon); len(s.AtStart()) != 0 {
		t.Error("it tells of it twice")
	}
}

// TestNotGivenIsRecorded: the log was told that it is given, and then it is not.
// The log is told that, too.
func TestNotGivenIsRecorded(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "grants.db"), noon)
	var told []State
	_, err := s.Give(context.Background(), typist("bob", time.Time{}), noon, func(g Grant) error {
		if told = append(told, g.State); len(told) > 1 {
			return nil
		}
		_, err := s.db.Exec("PRAGMA query_only = 1")
		return err
	})
	if err == nil || fmt.Sprint(told) != "[given taken back]" || len(s.List()) != 0 {
		t.Errorf("%v; told %v, given %v", err, told, ids(s))
	}
	told = nil
	_, err = s.Give(context.Background(), typist("bob", time.Time{}), noon, func(g Grant) error {
		told = append(told, g.State)
		return errors.New("late")
	})
	if err == nil || fmt.Sprint(told) != "[given taken back]" || s.Fault() != nil {
		t.Errorf("%v; told %v, %v", err, told, s.Fault())
	}
}

// TestEndsThatAreNotOnDisk: what could not be written is told of, and written as
// soon as that is possible, by whatever is written then.
func TestEndsThatAreNotOnDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	give(t, s, typist("bob", time.Time{}))
	if _, err := s.db.Exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeBack(context.Background(), 1, "alice", "", noon); err == nil {
		t.Fatal("no error")
	}
	if len(s.List()) != 0 || s.Fault() == nil || !strings.Contains(s.Fault().Error(), "1 changes") {
		t.Errorf("%v, %v", ids(s), s.Fault())
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	// The first attempt finds that the file cannot be written, the second opens it anew.
	if err := s.Tick(context.Background(), noon); err == nil {
		t.Error("written though nothing can be")
	}
	if err := s.Tick(context.Background(), noon); err != nil || s.Fault() != nil {
		t.Errorf("%v, %v", err, s.Fault())
	}
	_ = s.Close()
	if s = openStore(t, path, noon); len(s.List()) != 0 {
		t.Errorf("after a restart: %v", ids(s))
	}
	if g := give(t, s, typist("carol", time.Time{})); g.ID != 2 {
		t.Errorf("number %d", g.ID)
	}
}

// TestJournalLeftBehind: somebody moved a store away and left its journal. It has
// no part in the new one, and is not lost either.
func TestJournalLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	if err := os.WriteFile(path+journal, []byte("of another"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, path, noon)
	give(t, s, typist("bob", time.Time{}))
	_ = s.Close()
	if kept, err := os.ReadFile(path + ".left" + journal); err != nil || string(kept) != "of another" {
		t.Errorf("%q, %v", kept, err)
	}
	if s = openStore(t, path, noon); len(s.List()) != 1 {
		t.Errorf("given: %v", ids(s))
	}
}

// TestOneFillsTheStore: somebody gives and takes back without end, and gives as much
// as they can: nothing stays of what has ended, and others still give.
func TestOneFillsTheStore(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "grants.db"), noon)
	for range 10 {
		g := give(t, s, typist("bob", time.Time{}))
		if g, err := s.TakeBack(context.Background(), g.ID, "alice", strings.Repeat("é", MaxReason), noon); err != nil || len(g.EndedWhy) > MaxReason {
			t.Fatalf("%d bytes, %v", len(g.EndedWhy), err)
		}
	}
	var rows int
	if err := s.db.QueryRow("SELECT count(*) FROM grants").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v", rows, err)
	}
	full := make([]*Grant, maxByOne)
	for i := range full {
		g := typist("bob", time.Time{})
		full[i] = &g
	}
	s.list.Store(&full)
	if g, err := s.Give(context.Background(), typist("carol", time.Time{}), noon, recorded); err == nil {
		t.Errorf("alice gave %d", g.ID)
	}
	g := typist("carol", time.Time{})
	g.Giver.Person = "erin"
	give(t, s, g)
}

// TestLivesOfAServer: what was given in an earlier life of a tmux server goes when
// something is given in the next, and what is on all of the server stays.
func TestLivesOfAServer(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "grants.db"), noon)
	give(t, s, typist("bob", time.Time{}))
	wide := typist("carol", time.Time{})
	wide.On = access.Object{Kind: access.Server, Owner: "alice", Incarnation: "one"}
	give(t, s, wide)
	late := typist("dave", time.Time{})
	late.On.Incarnation, late.At = "two", noon.Wall.Add(time.Minute)
	if over, err := s.Expire(context.Background(), noon); err != nil || len(over) != 0 {
		t.Errorf("over: %+v, %v", over, err)
	}
	give(t, s, late)
	over, err := s.Expire(context.Background(), noon)
	if err != nil || len(over) != 1 || over[0].Who != "bob" || fmt.Sprint(ids(s)) != "[2 3]" {
		t.Errorf("over: %+v, %v; given %v", over, err, ids(s))
	}
}

// TestCopyWithItsJournal: what is put aside of a damaged store is all that it needs
// to be looked at, and nothing else.
func TestCopyWithItsJournal(t *testing.T) {
	for left, kept := range map[string]bool{"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 and so on": true, strings.Repeat("\x00", 600): false, "": false} {
		path := filepath.Join(t.TempDir(), "grants.db")
		for name, text := range map[string]string{path: "nothing of the kind", path + journal: left} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var d *Damaged
		if err := refuse(path, noon.Wall, errors.New("it is damaged")); !errors.As(err, &d) {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(d.Copy + journal); (err == nil) != kept || string(data) != left && kept {
			t.Errorf("%q: %q, %v", left, data, err)
		}
	}
}

// TestDiskFull: the disk is full in the middle of a change. What was acknowledged is
// there and nothing else; with room again all goes on, without a restart.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	var pages int
	if err := s.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+2)); err != nil {
		t.Fatal(err)
	}
	long := typist("bob", time.Time{})
	long.Reason = strings.Repeat("x", MaxReason)
	var given []int64
	var err error
	for err == nil && len(given) < 100 {
		var g Grant
		if g, err = s.Give(context.Background(), long, noon, recorded); err == nil {
			given = append(given, g.ID)
		}
	}
	if err == nil || len(given) == 0 || !strings.Contains(err.Error(), "full") {
		t.Fatalf("%d given, %v", len(given), err)
	}
	if fmt.Sprint(ids(s)) != fmt.Sprint(given) {
		t.Errorf("given %v, acknowledged %v", ids(s), given)
	}
	// Opened anew it has room.
	g := give(t, s, typist("carol", time.Time{}))
	if s.Fault() != nil || g.ID <= given[len(given)-1]+1 {
		t.Errorf("grant %d after %v, %v", g.ID, given, s.Fault())
	}
	want := fmt.Sprint(ids(s))
	_ = s.Close()
	if s = openStore(t, path, noon); fmt.Sprint(ids(s)) != want || len(s.AtStart()) != 0 {
		t.Errorf("after a restart %v, want %v; it tells of %v", ids(s), want, s.AtStart())
	}
}
