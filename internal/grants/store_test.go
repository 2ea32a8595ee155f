package grants

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/soak"
)

// noon is when these tests begin, an hour after the machine.
var noon = Clock{Wall: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Boot: "one", Up: time.Hour}

func (c Clock) after(d time.Duration) Clock {
	c.Wall, c.Up = c.Wall.Add(d), c.Up+d
	return c
}

func openStore(t testing.TB, path string, now Clock) *Store {
	t.Helper()
	s, err := OpenStore(context.Background(), path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func typist(who string, until time.Time) Grant {
	verbs, _ := access.Typist.Verbs()
	return Grant{
		Who: who, What: "typist", Verbs: verbs, On: pane("alice", "one", "work", 1, 2, 7, 3, 9), Target: "alice/work:2.3",
		Until: until, Reason: "pairs", Giver: identity.Subject{Person: "alice", Account: "alice", UID: 1000, Door: "ctl"},
		Source: "command line", At: noon.Wall,
	}
}

func recorded(Grant) error { return nil }

func give(t testing.TB, s *Store, g Grant) Grant {
	t.Helper()
	g, err := s.Give(context.Background(), g, noon, recorded)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// told gives what a store has, so that it can be compared.
func told(s *Store) (out []Grant) {
	for _, g := range s.List() {
		out = append(out, *g)
	}
	return out
}

func ids(s *Store) (out []int64) {
	for _, g := range s.List() {
		out = append(out, g.ID)
	}
	return out
}

// TestStoreSurvives: what was given is there when the store is opened again,
// as it was; what has ended is not, and its number names nothing else.
func TestStoreSurvives(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	for i, g := range []Grant{typist("bob", time.Time{}), typist("@oncall", noon.Wall.Add(time.Hour)), typist("carol", noon.Wall.Add(time.Minute)), typist("dave", time.Time{})} {
		if g = give(t, s, g); g.ID != int64(i+1) {
			t.Fatalf("grant %d has number %d", i+1, g.ID)
		}
	}
	if !s.Gave("alice") || s.Gave("bob") || !s.Limited() {
		t.Error("it is not known who gave")
	}
	if _, err := s.TakeBack(ctx, 4, "alice", "enough", noon); err != nil {
		t.Fatal(err)
	}
	if _, err := s.TakeBack(ctx, 4, "alice", "enough", noon); err == nil || !strings.Contains(err.Error(), "no grant 4") {
		t.Errorf("taken back twice: %v", err)
	}
	over, err := s.Expire(ctx, noon.after(time.Minute))
	if err != nil || len(over) != 1 || over[0].Who != "carol" || over[0].State != Over {
		t.Errorf("over: %+v, %v", over, err)
	}
	want := fmt.Sprintf("%+v", told(s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path, noon.after(2*time.Minute))
	if got := fmt.Sprintf("%+v", told(s)); got != want || len(s.List()) != 2 {
		t.Errorf("read again:\n%s\nwritten:\n%s", got, want)
	}
	if g := give(t, s, typist("erin", time.Time{})); g.ID != 5 {
		t.Errorf("number %d was used twice", g.ID)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestGrantsRefused: what is no grant is not kept, nor what cannot be recorded.
func TestGrantsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	for name, edit := range map[string]func(*Grant){
		"everybody": func(g *Grant) { g.Who = "*" }, "no verbs": func(g *Grant) { g.Verbs = 0 },
		"unknown verbs": func(g *Grant) { g.Verbs = 1 << 31 }, "no giver": func(g *Grant) { g.Giver.Person = "" },
		"from inside": func(g *Grant) { g.Giver.Inside = "alice/%3" }, "no object": func(g *Grant) { g.On.Owner = "" },
		"no server": func(g *Grant) { g.On.Incarnation = "" }, "long": func(g *Grant) { g.Reason = strings.Repeat("x", MaxReason+1) },
		"backwards": func(g *Grant) { g.NotBefore, g.Until = noon.Wall.Add(time.Hour), noon.Wall.Add(time.Minute) },
	} {
		g := typist("bob", time.Time{})
		edit(&g)
		if g, err := s.Give(context.Background(), g, noon, recorded); err == nil {
			t.Errorf("%s: it was given: %+v", name, g)
		}
	}
	_, err := s.Give(context.Background(), typist("bob", time.Time{}), noon, func(Grant) error { return errors.New("disk full") })
	if err == nil || !strings.Contains(err.Error(), "disk full") || len(s.List()) != 0 {
		t.Errorf("without a record: %v, %v", err, ids(s))
	}
	_ = s.Close()
	if s = openStore(t, path, noon); len(s.List()) != 0 {
		t.Errorf("given after a restart: %v", ids(s))
	}
}

// TestStoreTakenAway: without its file nothing is given, and what is taken back
// is taken back at once and said not to last.
func TestStoreTakenAway(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		give(t, s, typist("bob", time.Time{}))
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if replaced {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if g, err := s.Give(context.Background(), typist("carol", time.Time{}), noon, recorded); err == nil {
			t.Errorf("given: %+v", g)
		}
		if _, err := s.TakeBack(context.Background(), 1, "alice", "", noon); err == nil || !strings.Contains(err.Error(), "after a restart") {
			t.Errorf("taken back: %v", err)
		}
		if len(s.List()) != 0 {
			t.Errorf("it counts: %v", ids(s))
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		// With room again the next change has the one before written, too.
		if err := s.Tick(context.Background(), noon); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if s = openStore(t, path, noon); len(s.List()) != 0 {
			t.Errorf("after a restart: %v", ids(s))
		}
	}
}

// TestClockSetBackWhileDown: whatever the wall says when muxward is started
// again, a grant lasts no longer than it was given for.
func TestClockSetBackWhileDown(t *testing.T) {
	for _, tc := range []struct {
		name string
		now  Clock
		left time.Duration // of the hour; none: it is over
		why  string
	}{
		{"ten minutes later", noon.after(10 * time.Minute), 50 * time.Minute, ""},
		{"set back by a day", Clock{noon.Wall.Add(10*time.Minute - 24*time.Hour), "one", noon.Up + 10*time.Minute}, 50 * time.Minute, ""},
		{"set back beyond the end", Clock{noon.Wall.Add(-24 * time.Hour), "one", noon.Up + 2*time.Hour}, -time.Hour, ""},
		{"started anew, later", Clock{noon.Wall.Add(10 * time.Minute), "two", time.Minute}, 50 * time.Minute, ""},
		{"started anew, set back", Clock{noon.Wall.Add(-time.Minute), "two", time.Minute}, 0, errClock},
		{"another life of the same length, set back", Clock{noon.Wall.Add(-time.Minute), "two", noon.Up}, 0, errClock},
		{"nothing is known, set back", Clock{noon.Wall.Add(-time.Minute), "", 0}, 0, errClock},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grants.db")
			s := openStore(t, path, noon)
			give(t, s, typist("bob", noon.Wall.Add(time.Hour)))
			give(t, s, typist("carol", time.Time{}))
			_ = s.Close()
			for range 2 { // it is not taken off twice
				s = openStore(t, path, tc.now)
				_ = s.Close()
			}
			g, there := s.Find(1)
			if tc.why != "" {
				if there {
					t.Errorf("it goes on until %v", g.Until)
				}
			} else if left := g.Until.Sub(tc.now.Wall); !there || left != tc.left {
				t.Errorf("%v are left, want %v", left, tc.left)
			}
			if _, there := s.Find(2); !there {
				t.Error("the one without a limit has gone")
			}
		})
	}
}

// TestDamagedOnce: muxward is started again and again on a damaged store: there
// is one copy.
func TestDamagedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	if err := os.WriteFile(path, []byte("nothing of the kind"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var d *Damaged
		if _, err := OpenStore(context.Background(), path, noon.after(time.Duration(i)*time.Second)); !errors.As(err, &d) || d.Copy == "" {
			t.Fatalf("opened: %v", err)
		}
	}
	if copies, err := filepath.Glob(path + ".damaged-*"); err != nil || len(copies) != 1 {
		t.Errorf("copies %v, %v", copies, err)
	}
}

// TestNothingCanBeWritten: a store that cannot be written as it is opened gives
// what it holds, for no longer than it was given for, and says so. It is written
// once that is possible, or it is all found out again at the next start.
func TestNothingCanBeWritten(t *testing.T) {
	back := Clock{noon.Wall.Add(-time.Hour), "one", noon.Up + time.Minute}
	for _, again := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		give(t, s, typist("bob", noon.Wall.Add(time.Hour)))
		give(t, s, typist("carol", time.Time{}))
		s = reopened(t, s)
		found, err := s.read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.Exec("PRAGMA query_only = 1"); err != nil {
			t.Fatal(err)
		}
		s.begin(context.Background(), found, back)
		if g, _ := s.Find(1); len(ids(s)) != 2 || !g.Until.Equal(back.Wall.Add(59*time.Minute)) {
			t.Errorf("%v, and bob's ends at %v", ids(s), g.Until)
		}
		if s.Fault() == nil {
			t.Error("nobody is told")
		}
		if again {
			if err := s.Tick(context.Background(), back); err != nil || s.Fault() != nil {
				t.Errorf("written again: %v, %v", err, s.Fault())
			}
		}
		_ = s.Close()
		s = openStore(t, path, Clock{back.Wall.Add(time.Minute), "one", noon.Up + 2*time.Minute})
		if g, _ := s.Find(1); !g.Until.Equal(back.Wall.Add(59 * time.Minute)) {
			t.Errorf("at last it ends at %v", g.Until)
		}
	}
}

// reopened gives a store of the same file that began nothing yet.
func reopened(t *testing.T, s *Store) *Store {
	t.Helper()
	_ = s.Close()
	s = &Store{path: s.path, unsaved: map[int64]change{}, lives: map[string]life{}}
	if err := s.open(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestFlippedBits: a bit of the store turns over. It is read as it was written,
// or it is refused and copied; never does it say anything else.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "grants.db")
	s := openStore(t, path, noon)
	for i := range 5 {
		give(t, s, typist([]string{"bob", "carol"}[i%2], time.Time{}))
	}
	if _, err := s.TakeBack(context.Background(), 2, "alice", "", noon); err != nil {
		t.Fatal(err)
	}
	_, code := invite(t, s, invitation(2))
	if _, err := join(s, code, "erin", noon); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%+v %+v", told(s), s.Invites())
	_ = s.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range soak.N(1000, 60) {
		bad := append([]byte(nil), good...)
		bit := r.IntN(8 * len(bad))
		bad[bit/8] ^= 1 << (bit % 8)
		refused += judgeDamage(t, fmt.Sprintf("seed %d, bit %d", seed, bit), bad, want)
	}
	for _, n := range []int{0, 1, 100, 4096, len(good) - 1, len(good) / 2} {
		refused += judgeDamage(t, fmt.Sprintf("cut to %d", n), good[:n], want)
	}
	if refused < 6 {
		t.Errorf("%d were refused: this is no test", refused)
	}
}

// judgeDamage opens a store of this content and counts a refusal.
func judgeDamage(t *testing.T, what string, data []byte, want string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "grants.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(context.Background(), path, noon)
	if err == nil {
		defer s.Close()
		if got := fmt.Sprintf("%+v %+v", told(s), s.Invites()); got != want {
			t.Errorf("%s: read %s", what, got)
		}
		return 0
	}
	var d *Damaged
	if !errors.As(err, &d) || d.Copy == "" {
		t.Fatalf("%s: %v", what, err)
	}
	if kept, err := os.ReadFile(d.Copy); err != nil || len(kept) == 0 && len(data) > 0 {
		t.Errorf("%s: the copy has %d bytes, %v", what, len(kept), err)
	}
	return 1
}
