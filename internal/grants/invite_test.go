package grants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// invitation is what alice offers to so many people, for an hour.
func invitation(uses int) Invite {
	g := typist("", noon.Wall.Add(time.Hour))
	return Invite{Grant: g, Uses: uses}
}

func invite(t testing.TB, s *Store, v Invite) (Invite, Code) {
	t.Helper()
	v, code, err := s.Invite(context.Background(), v, noon, func(Invite) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return v, code
}

func join(s *Store, c Code, who string, now Clock) (Grant, error) {
	g, _, err := s.Join(context.Background(), c, Joiner{Person: who}, now, recorded)
	return g, err
}

// TestCodes: a code is read as it is written, and as people write it; what is none is
// refused, and nothing prints a secret by chance.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for id := range int64(200) {
		c := newCode(id + 1)
		text := c.Text()
		for _, typed := range []string{text, strings.ToUpper(text), " " + text + "\n", fmt.Sprintf("%d-%s", id+1, c.secret), strings.ReplaceAll(text, "1-", "1- ")} {
			if back, err := ParseCode(typed); err != nil || back != c {
				t.Errorf("%q is read as %+v, %v", typed, back, err)
			}
		}
		if seen[c.secret] || strings.Contains(fmt.Sprint(c), c.secret) || len(c.secret) != 16 {
			t.Errorf("the secret %q comes twice, is printed or is short", c.secret)
		}
		seen[c.secret] = true
	}
	good := newCode(7).Text()
	for _, text := range []string{"", "7", "7-", good[:len(good)-1], good + "0", "0" + good, "-" + good, "x" + good[1:], "99999999999999999999" + good[1:],
		good[:len(good)-1] + "u", good[:len(good)-1] + "é", strings.Repeat("7-", 99), "7-" + strings.Repeat("\x00", 16)} {
		if c, err := ParseCode(text); err == nil {
			t.Errorf("%q is read as the code %+v", text, c)
		}
	}
}

func FuzzCode(f *testing.F) {
	for _, seed := range []string{"7-abcd-efgh-jkmn-pqrs", "7-ABCDEFGHJKMNPQRS", "", "-", "7-oil", "\xff-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCode(text)
		if err != nil {
			return
		}
		if back, err := ParseCode(c.Text()); err != nil || back != c {
			t.Fatalf("%q is %+v, which is written %q and read %+v, %v", text, c, c.Text(), back, err)
		}
	})
}

// TestJoining: an invite for two has two come in, each once, and is the same when the
// store is opened again. Who has joined has what they have.
func TestJoining(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	give(t, s, typist("dave", time.Time{}))
	v, code := invite(t, s, invitation(2))
	again := func(who string, want int64) {
		t.Helper()
		for range 2 {
			g, err := join(s, code, who, noon)
			if want == 0 {
				if !errors.Is(err, ErrNotOpen) {
					t.Errorf("%s: %+v, %v", who, g, err)
				}
			} else if err != nil || g.ID != want || g.Who != who || g.Invite != v.ID || !g.Until.Equal(v.Until) || g.Verbs != v.Verbs || g.Source != BySharing {
				t.Errorf("%s: %+v, %v", who, g, err)
			}
			_ = s.Close()
			s = openStore(t, path, noon)
		}
	}
	again("bob", 3)
	again("carol", 4)
	again("erin", 0)
	if got := s.Invites(); len(got) != 1 || got[0].ID != 2 || len(got[0].Used) != 2 || got[0].Used[1].Who != "carol" || got[0].Used[1].Grant != 4 {
		t.Errorf("the invites: %+v", got)
	}
	// What was taken back is not had again by the same code.
	if _, err := s.TakeBack(context.Background(), 3, "alice", "", noon); err != nil {
		t.Fatal(err)
	}
	again("bob", 0)
	again("carol", 4)
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), code.secret) || strings.Contains(strings.ReplaceAll(string(data), "-", ""), code.secret) {
		t.Errorf("the secret lies on disk (%v)", err)
	}
}

// TestReplayedCodes: a code opens nothing once its invite is used up, over, revoked, or
// its server has ended; nor one of another invite, or of none. The error is one. It is so
// after a restart, too, and with the clock set back meanwhile.
func TestReplayedCodes(t *testing.T) {
	for what, tc := range map[string]struct {
		do  func(*Store, *Code) error
		now Clock
	}{
		"used up": {do: func(s *Store, c *Code) error { _, err := join(s, *c, "bob", noon); return err }},
		"over":    {now: noon.after(time.Hour)},
		"revoked": {do: func(s *Store, c *Code) error {
			_, _, err := s.RevokeInvite(context.Background(), c.id, "alice", "", noon)
			return err
		}},
		"another server": {do: func(s *Store, _ *Code) error {
			g := typist("dave", time.Time{})
			g.On.Incarnation, g.At = "two", noon.Wall.Add(time.Second)
			_, err := s.Give(context.Background(), g, noon, recorded)
			return err
		}},
		"another secret": {do: func(_ *Store, c *Code) error { c.secret = newCode(1).secret; return nil }},
		"another number": {do: func(_ *Store, c *Code) error { c.id = 9; return nil }},
		"the kept sum": {do: func(s *Store, c *Code) error {
			c.secret = string(s.Invites()[0].lock.Sum[:])
			return nil
		}},
	} {
		path := filepath.Join(t.TempDir(), "grants.db")
		s := openStore(t, path, noon)
		_, code := invite(t, s, invitation(1))
		if _, err := s.Opens(code, noon); err != nil {
			t.Fatalf("%s: before that it opens nothing: %v", what, err)
		}
		if tc.do != nil {
			if err := tc.do(s, &code); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		now := tc.now
		if now.Boot == "" {
			now = noon.after(time.Second)
		}
		refused := func(when string, now Clock) {
			t.Helper()
			if g, err := join(s, code, "carol", now); !errors.Is(err, ErrNotOpen) || err.Error() != ErrNotOpen.Error() {
				t.Errorf("%s, %s: %+v, %v", what, when, g, err)
			}
		}
		refused("at once", now)
		if what == "another server" {
			continue // which it is, is found out anew
		}
		if err := s.Tick(context.Background(), now); err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		now.Wall = now.Wall.Add(-30 * time.Minute) // set back
		s = openStore(t, path, now)
		refused("after a restart", now)
		if what == "over" {
			over, err := s.ExpireInvites(context.Background(), now)
			if err != nil || len(over) != 1 || len(s.Invites()) != 0 {
				t.Errorf("ended: %+v, %v", over, err)
			}
		}
	}
}

// TestOneUse: many come at once by an invite for one. One of them gets it.
func TestOneUse(t *testing.T) {
	for range soak.N(50, 3) {
		s := openStore(t, filepath.Join(t.TempDir(), "grants.db"), noon)
		_, code := invite(t, s, invitation(1))
		var won atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				_, err := join(s, code, fmt.Sprint("p", i), noon)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrNotOpen) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || len(s.List()) != 1 || len(s.Invites()[0].Used) != 1 {
			t.Errorf("%d came by it: %v", won.Load(), ids(s))
		}
	}
}

// TestRevokedInvite: what came by it ends with it, and nothing else.
func TestRevokedInvite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	give(t, s, typist("dave", time.Time{}))
	one, first := invite(t, s, invitation(3))
	_, other := invite(t, s, invitation(3))
	for _, who := range []string{"bob", "carol"} {
		for _, c := range []Code{first, other} {
			if _, err := join(s, c, who, noon); err != nil {
				t.Fatal(err)
			}
		}
	}
	v, taken, err := s.RevokeInvite(context.Background(), one.ID, "alice", "enough", noon)
	if err != nil || v.State != TakenBack || len(taken) != 2 || taken[0].EndedWhy != "enough" {
		t.Errorf("%+v %+v %v", v, taken, err)
	}
	for range 2 {
		if got := fmt.Sprint(ids(s)); got != "[1 5 7]" || len(s.Invites()) != 1 {
			t.Errorf("left: %s, %d invites", got, len(s.Invites()))
		}
		_ = s.Close()
		s = openStore(t, path, noon)
	}
	if _, _, err := s.RevokeInvite(context.Background(), one.ID, "alice", "", noon); err == nil || !strings.Contains(err.Error(), "no invite 2") {
		t.Errorf("revoked twice: %v", err)
	}
}

// TestJoinThatIsNotRecorded: nobody has come who is not on record, and the use is there
// for somebody else: at once, and if muxward is killed over it.
func TestJoinThatIsNotRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	_, code := invite(t, s, invitation(1))
	killed := path + ".killed"
	_, _, err := s.Join(context.Background(), code, Joiner{Person: "bob"}, noon, func(g Grant) error {
		if g.State != Given {
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(killed, data, 0o600)
		}
		return errors.Join(err, errors.New("disk full"))
	})
	if err == nil || !strings.Contains(err.Error(), "disk full") || len(s.List()) != 0 {
		t.Errorf("without a record: %v, %v", err, ids(s))
	}
	if g, err := join(s, code, "carol", noon); err != nil || g.Who != "carol" {
		t.Errorf("the use is gone: %v", err)
	}
	_ = s.Close()
	s = openStore(t, killed, noon)
	if got := s.AtStart(); len(s.List()) != 0 || len(got) != 1 || got[0].Who != "bob" || got[0].EndedWhy != notRecorded {
		t.Errorf("after it was killed: %v, and it tells of %+v", ids(s), got)
	}
	for range 2 {
		_ = s.Close()
		s = openStore(t, killed, noon)
		if len(s.AtStart()) != 0 || len(s.Invites()[0].Used) != 0 {
			t.Errorf("opened again: %+v, %+v", s.AtStart(), s.Invites())
		}
	}
	if g, err := join(s, code, "bob", noon); err != nil || g.Who != "bob" {
		t.Errorf("the use is gone: %v", err)
	}
}

// TestInviteNotRecorded: an invite that muxward was killed over was never open.
func TestInviteNotRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	killed := path + ".killed"
	_, code, err := s.Invite(context.Background(), invitation(1), noon, func(Invite) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(killed, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	s = openStore(t, killed, noon)
	if got := s.InvitesAtStart(); len(got) != 1 || got[0].State != TakenBack || len(s.Invites()) != 0 {
		t.Errorf("told of %+v, open %+v", got, s.Invites())
	}
	if _, err := join(s, code, "bob", noon); !errors.Is(err, ErrNotOpen) {
		t.Errorf("joined: %v", err)
	}
}

// TestInvitesRefused: what is no invite is not kept.
func TestInvitesRefused(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "grants.db"), noon)
	for name, edit := range map[string]func(*Invite){
		"no end": func(v *Invite) { v.Until = time.Time{} }, "for nobody": func(v *Invite) { v.Uses = 0 },
		"for all": func(v *Invite) { v.Uses = MaxUses + 1 }, "somebody's": func(v *Invite) { v.Who = "bob" },
		"no giver": func(v *Invite) { v.Giver.Person = "" }, "from inside": func(v *Invite) { v.Giver.Inside = "alice/%3" },
		"no verbs": func(v *Invite) { v.Verbs = 0 }, "for long": func(v *Invite) { v.Until = noon.Wall.Add(MaxOpen + time.Second) },
		"of an invite": func(v *Invite) { v.Grant.Invite = 1 }, "with a key": func(v *Invite) { v.Giver.Key = "SHA256:x" },
	} {
		v := invitation(1)
		edit(&v)
		if v, _, err := s.Invite(context.Background(), v, noon, func(Invite) error { return nil }); err == nil {
			t.Errorf("%s: it was made: %+v", name, v)
		}
	}
	if len(s.Invites()) != 0 {
		t.Errorf("there are %+v", s.Invites())
	}
}

// TestBoundToKey: with --bind a grant is its person's with the key that they came
// with, and who comes without one gets none and uses up nothing.
func TestBoundToKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	v := invitation(1)
	v.Bind = true
	_, code := invite(t, s, v)
	if _, err := join(s, code, "bob", noon); !errors.Is(err, ErrNeedsKey) {
		t.Errorf("without a key: %v", err)
	}
	g, isNew, err := s.Join(context.Background(), code, Joiner{Person: "bob", Key: "SHA256:one"}, noon, recorded)
	if err != nil || !isNew || g.Key != "SHA256:one" {
		t.Errorf("%+v, %v", g, err)
	}
	for key, want := range map[string]bool{"SHA256:one": true, "SHA256:two": false, "": false} {
		again, isNew, err := s.Join(context.Background(), code, Joiner{Person: "bob", Key: key}, noon, recorded)
		if (err == nil) != want || want && again.ID != g.ID || isNew {
			t.Errorf("once more, with the key %q: %+v, %v", key, again, err)
		}
	}
	_ = s.Close()
	s = openStore(t, path, noon)
	if back, _ := s.Find(g.ID); back.Key != "SHA256:one" {
		t.Errorf("read again: %+v", back)
	}
}

// TestWrongCodes: who tries too many is not heard, the right code or not; others are,
// also when all that may be wrong has been.
func TestWrongCodes(t *testing.T) {
	var tries Tries
	now := noon.Wall
	heard := func(who string, right bool) bool {
		asked := false
		err := tries.Try(who, now, func() error {
			if asked = true; right {
				return nil
			}
			return ErrNotOpen
		})
		var many TooMany
		if errors.As(err, &many) == asked {
			t.Fatalf("%s: asked %v, %v", who, asked, err)
		}
		return asked
	}
	for range triesAtOnce {
		if !heard("mallory", false) || !heard("bob", true) {
			t.Fatal("a first try is not heard")
		}
	}
	if heard("mallory", false) || heard("mallory", true) || !heard("bob", true) || !heard("carol", false) {
		t.Error("not only who tried too many has to wait")
	}
	now = now.Add(tryEvery)
	if !heard("mallory", false) || heard("mallory", true) {
		t.Error("one is heard a while later")
	}
	for i := range 2 * triesOfAll { // many people together
		heard(fmt.Sprint("p", i), false)
	}
	if !heard("bob", true) || !heard("dave", true) || !heard("carol", true) || heard("p0", true) {
		t.Error("who tried no wrong one is heard in any case, and others are not")
	}
	now = now.Add(2 * triesOfAll * tryOfAllEvery)
	if !heard("carol", true) || !heard("mallory", true) {
		t.Error("it is not forgotten")
	}
	for i := range 10_000 {
		now = now.Add(time.Minute)
		heard(fmt.Sprint("q", i), false)
	}
	if len(tries.of) > 10*minTriers {
		t.Errorf("%d are remembered", len(tries.of))
	}
}

// goldenInvite is a row of form 1, as golden is one of a grant.
const goldenInvite = `{"kind":"invite","id":8,"who":"","what":"typist","verbs":["view","scroll","suggest","type"],` +
	`"on":{"kind":"pane","owner":"alice","incarnation":"one","session":1,"session_name":"work","window_index":2,"window":7,"pane":9,"pane_index":3},` +
	`"target":"alice/work:2.3","until":"2026-11-26T13:00:00Z","reason":"pairs",` +
	`"giver":{"person":"alice","account":"alice","uid":1000,"door":"ctl"},"source":"command line","at":"2026-11-26T12:00:00Z",` +
	`"uses":2,"bind":true,"used":[{"who":"bob","grant":9,"at":"2026-11-26T12:00:00Z"}],` +
	`"lock":{"salt":"0100000000000000000000000000000000000000000000000000000000000000","sum":"8c809174d54369c35e76105f53cda92d77112263d00a1a04822c80d6d648bb50"}}`

// TestInviteRows: what lies on disk is read again as it was, and a code of it opens it
// for ever.
func TestInviteRows(t *testing.T) {
	v := invitation(2).with(Use{"bob", 9, noon.Wall})
	v.ID, v.State, v.Bind = 8, Given, true
	v.lock.Salt[0] = 1
	v.lock.Sum = v.lock.sum(Code{8, "0123456789abcdef"})
	c, err := inviteChange(v, false)
	if err != nil || c.body != goldenInvite {
		t.Errorf("%v, written\n%s\nwant\n%s", err, c.body, goldenInvite)
	}
	if back, pending, err := readInvite(goldenInvite); err != nil || pending || fmt.Sprintf("%+v", back) != fmt.Sprintf("%+v", v) {
		t.Errorf("%v %v, read\n%+v\nwant\n%+v", err, pending, back, v)
	}
}

// TestKnock: by an invite for who is let in nobody comes with its code alone. Who is let
// in uses it up, and what they get ends as it was said, and with the invite; it is as good
// as anybody's use of one then.
func TestKnock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	s := openStore(t, path, noon)
	v := invitation(1)
	v.Approve = true
	kept, code := invite(t, s, v)
	if _, err := join(s, code, "bob", noon); !errors.Is(err, ErrKnocks) || len(s.List()) != 0 {
		t.Errorf("with the code alone: %v", err)
	}
	admit := func(who string, until time.Time) (Grant, error) {
		g, _, err := s.Admit(context.Background(), kept.ID, Joiner{Person: who, Until: until}, noon, recorded)
		return g, err
	}
	soon := noon.Wall.Add(time.Minute)
	g, err := admit("bob", soon)
	if err != nil || !g.Until.Equal(soon) || g.Invite != kept.ID || g.Source != BySharing || g.Giver != kept.Giver {
		t.Errorf("let in: %+v, %v", g, err)
	}
	if again, err := join(s, code, "bob", noon); err != nil || again.ID != g.ID {
		t.Errorf("with the code again: %+v, %v", again, err)
	}
	if _, err := admit("carol", soon); !errors.Is(err, ErrNotOpen) {
		t.Errorf("one too many: %v", err)
	}
	s.Close()
	s = openStore(t, path, noon)
	if back, ok := s.FindInvite(kept.ID); !ok || !back.Approve || len(back.Used) != 1 {
		t.Errorf("read again: %+v", back)
	}
	if _, taken, err := s.RevokeInvite(context.Background(), kept.ID, "alice", "", noon); err != nil || len(taken) != 1 {
		t.Errorf("revoked: %+v, %v", taken, err)
	}
	if _, err := admit("carol", soon); !errors.Is(err, ErrNotOpen) {
		t.Errorf("after its end: %v", err)
	}
	plain, _ := invite(t, s, invitation(2))
	if _, _, err := s.Admit(context.Background(), plain.ID, Joiner{Person: "carol"}, noon, recorded); !errors.Is(err, ErrNotOpen) {
		t.Errorf("by one that nobody knocks with: %v", err)
	}
	far, _ := invite(t, s, v)
	if g, _, err := s.Admit(context.Background(), far.ID, Joiner{Person: "carol", Until: far.Until.Add(time.Hour)}, noon, recorded); err != nil || !g.Until.Equal(far.Until) {
		t.Errorf("longer than the invite: %+v, %v", g, err)
	}
}
