package grants

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

func pane(owner, life, session string, id uint32, window int, wid uint32, index int, pid uint32) access.Object {
	return access.Object{
		Kind: access.Pane, Owner: owner, Incarnation: life,
		Session: access.SessionRef{ID: id, Name: session, Index: window},
		Window:  access.WindowRef{ID: wid}, Pane: access.PaneRef{ID: pid, Index: index},
	}
}

func TestMatches(t *testing.T) {
	p := pane("alice", "one", "work", 1, 2, 7, 3, 9)
	window, session, server := p.Up(), p.Up().Up(), p.Up().Up().Up()
	host := server.Up()
	linked := pane("alice", "one", "other", 4, 0, 7, 3, 9)
	linked.Links = []access.SessionRef{{ID: 1, Name: "work", Index: 2}}
	for _, tc := range []struct {
		name     string
		scope, o access.Object
		want     bool
	}{
		{"everything", host, p, true},
		{"the server", server, p, true},
		{"another's server", access.Object{Kind: access.Server, Owner: "bob"}, p, false},
		{"the session", session, p, true},
		{"the window", window, p, true},
		{"the pane", p, p, true},
		{"the pane, asked for the session it lies in", p, session, true},
		{"the pane, asked for the server", p, server, true},
		{"the pane, asked for the host", p, host, false},
		{"the host, asked for itself", host, host, true},
		{"another pane of the window", p, pane("alice", "one", "work", 1, 2, 7, 0, 8), false},
		{"another window of the session", window, pane("alice", "one", "work", 1, 5, 8, 0, 8), false},
		{"another session", session, pane("alice", "one", "play", 2, 2, 8, 3, 8), false},
		{"renamed session", session, pane("alice", "one", "renamed", 1, 2, 7, 3, 9), true},
		{"pane moved to another window", p, pane("alice", "one", "play", 3, 1, 8, 0, 9), true},
		{"moved window", window, pane("alice", "one", "work", 1, 8, 7, 3, 9), true},
		{"the next life of the server, by name", p, pane("alice", "two", "work", 5, 2, 1, 3, 1), true},
		{"the next life of the server, same ids, other names", p, pane("alice", "two", "play", 1, 9, 7, 8, 9), false},
		{"reached by another session", session, linked, true},
		{"window reached by another session", window, linked, true},
	} {
		if got := (Denial{Scope: tc.scope}).matches(tc.o); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestDenialsSurvive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations.json")
	d, err := OpenDenials(path)
	if err != nil {
		t.Fatal(err)
	}
	o := access.Object{Kind: access.Server, Owner: "alice"}
	for _, den := range []Denial{
		{Person: "bob", Scope: o, Target: "alice", By: "root", At: time.Unix(1, 0)},
		{Person: "bob", By: "root"},
		{Person: "carol", Scope: o, Target: "alice", By: "root"},
	} {
		if err := d.Add(den); err != nil {
			t.Fatal(err)
		}
	}
	if d, err = OpenDenials(path); err != nil || len(d.List()) != 3 {
		t.Fatalf("%d denials, %v", len(d.List()), err)
	}
	if _, hit := d.Match("bob", access.AllVerbs, o); !hit {
		t.Error("bob is let in")
	}
	if n, err := d.Lift(d.Asked("bob", "alice")); n != 1 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
	if den, hit := d.Match("bob", access.AllVerbs, o); !hit || den.Target != "" {
		t.Errorf("bob: %+v, %v", den, hit)
	}
	if n, err := d.Lift(d.Asked("bob", "")); n != 1 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
	if d, err = OpenDenials(path); err != nil || len(d.List()) != 1 {
		t.Fatalf("%d denials, %v", len(d.List()), err)
	}
}

// TestDenialsOfTheSameWords: what was taken from somebody is not given back by
// taking something else that has its name now. Lifting by that name lifts both.
func TestDenialsOfTheSameWords(t *testing.T) {
	d, err := OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	first := pane("alice", "one", "work", 1, 0, 7, 0, 9)
	second := pane("alice", "one", "work", 1, 0, 8, 0, 10) // at the same place
	restarted := pane("alice", "two", "work", 1, 0, 7, 0, 9)
	for _, o := range []access.Object{first, second, restarted, second} {
		if err := d.Add(Denial{Person: "bob", Scope: o, Target: "alice/work:0.0", By: "root"}); err != nil {
			t.Fatal(err)
		}
	}
	moved := pane("alice", "one", "play", 2, 5, 11, 3, 9) // the first pane, elsewhere
	if _, hit := d.Match("bob", access.AllVerbs, moved); !hit {
		t.Error("the pane that was taken first was given back")
	}
	if n := len(d.List()); n != 3 {
		t.Errorf("%d denials, want 3: the same one is kept once", n)
	}
	if n, err := d.Lift(d.Asked("bob", "alice/work:0.0")); n != 3 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
}

// TestDenialWithoutDisk: a revocation that cannot be saved holds all the same,
// and says so; nothing is lifted that cannot be saved.
func TestDenialWithoutDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	d, err := OpenDenials(filepath.Join(dir, "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Add(Denial{Person: "bob"}); err == nil || !strings.Contains(err.Error(), "would not survive") {
		t.Errorf("error %v", err)
	}
	if _, hit := d.Match("bob", access.AllVerbs, access.Object{}); !hit {
		t.Error("bob is let in")
	}
	if _, err := d.Lift(d.Asked("bob", "")); err == nil {
		t.Error("lifted without a record")
	}
	if _, hit := d.Match("bob", access.AllVerbs, access.Object{}); !hit {
		t.Error("bob is let in")
	}
}

func TestDamagedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations.json")
	for _, text := range []string{"", "{", `[{"person":`, `{"person":"bob"}`, "\x00\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDenials(path); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestLockdowns: a lockdown takes from everybody, leaves those who look on and
// those who can end it what they need for that, survives, and is lifted alone.
func TestLockdowns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations.json")
	d, err := OpenDenials(path)
	if err != nil {
		t.Fatal(err)
	}
	here, elsewhere := pane("alice", "one", "work", 1, 2, 7, 3, 9), pane("alice", "one", "play", 2, 0, 8, 0, 10)
	session := here.Up().Up()
	for _, den := range []Denial{
		{Lock: true, Scope: session, Target: "alice/work", By: "alice", Reason: "incident"},
		{Lock: true, Views: true, Scope: elsewhere, Target: "alice/play:0.0", By: "root"},
		{Person: "bob", Scope: session, Target: "alice/work", By: "alice"},
	} {
		if err := d.Add(den); err != nil {
			t.Fatal(err)
		}
	}
	if d, err = OpenDenials(path); err != nil || len(d.List()) != 3 {
		t.Fatalf("%d denials, %v", len(d.List()), err)
	}
	for _, tc := range []struct {
		person string
		on     access.Object
		want   access.VerbSet // what is left
	}{
		{"alice", here, access.SetOf(access.View, access.Scroll, access.Kick, access.Lock, access.Audit)},
		{"bob", here, 0},
		{"alice", elsewhere, access.SetOf(access.Kick, access.Lock, access.Audit)},
		{"alice", elsewhere.Up().Up(), ruling | access.SetOf(access.Audit)},
		{"alice", pane("carol", "one", "work", 1, 2, 7, 3, 9), access.AllVerbs},
	} {
		if left := access.AllVerbs &^ d.Taken(tc.person, tc.on); left != tc.want {
			t.Errorf("%s on %v has %v left, want %v", tc.person, tc.on, left, tc.want)
		}
		for _, v := range access.Verbs() {
			if _, hit := d.Match(tc.person, access.SetOf(v), tc.on); hit == tc.want.Has(v) {
				t.Errorf("%s, %v on %v: %v", tc.person, v, tc.on, hit)
			}
		}
	}
	if den, hit := d.Match("alice", access.SetOf(access.Type), here); !hit || den.String() != "locked down by alice: incident" {
		t.Errorf("%v, %v", den, hit)
	}
	if !d.Revoked("bob", here) || d.Revoked("alice", here) {
		t.Error("a lockdown is nobody's revocation")
	}
	if n, err := d.Lift(d.Asked("bob", "alice/work")); n != 1 || err != nil {
		t.Errorf("lifted %d, %v", n, err)
	}
	if n, err := d.Lift(d.Asked("", "carol/work")); n != 0 || err != nil {
		t.Errorf("unlocked %d of another's, %v", n, err)
	}
	if n, err := d.Lift(d.Asked("", "")); n != 0 || err != nil {
		t.Errorf("unlocked %d of what lies in the host, %v", n, err)
	}
	if n, err := d.Lift(d.Asked("", "alice/work")); n != 1 || err != nil {
		t.Errorf("unlocked %d, %v", n, err)
	}
	if _, locked := d.Locked(here); locked {
		t.Error("it is locked")
	}
	if _, locked := d.Locked(elsewhere); !locked {
		t.Error("the other is not locked any more")
	}
	for _, text := range []string{
		`[{"person":"bob","lock":true,"scope":{},"target":"","by":"root","at":"2026-11-26T12:00:00Z"}]`,
		`[{"person":"","scope":{},"target":"","by":"root","at":"2026-11-26T12:00:00Z"}]`,
		`[{"person":"bob","views":true,"scope":{},"target":"","by":"root","at":"2026-11-26T12:00:00Z"}]`,
	} {
		if list, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "from whom") {
			t.Errorf("%s: %+v, %v", text, list, err)
		}
	}
}

// TestGoverningFromBelow: whoever governs a part takes nothing from somebody by which
// the whole is governed, neither from one person nor by a lockdown; what is done on
// the whole reaches the part, and is refused.
func TestGoverningFromBelow(t *testing.T) {
	d, err := OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	host := access.Object{}
	p := pane("mallory", "one", "work", 1, 2, 7, 3, 9)
	server := p.Up().Up().Up()
	for _, den := range []Denial{
		{Person: "root", Scope: server, Target: "mallory", By: "mallory"},
		{Person: "mallory", Scope: p, Target: "mallory/work:2.3", By: "carol"},
		{Lock: true, Scope: p, Target: "mallory/work:2.3", By: "carol"},
	} {
		if err := d.Add(den); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		person string
		on     access.Object
		want   access.VerbSet // what is left
	}{
		{"root", host, access.AllVerbs},
		{"root", server, 0},
		{"root", p, 0},
		{"mallory", server, ruling},
		{"mallory", p, 0},
		{"carol", host, access.AllVerbs},
		{"carol", server, ruling | access.SetOf(access.View, access.Scroll, access.Audit)},
		{"carol", p, access.SetOf(access.View, access.Scroll, access.Kick, access.Lock, access.Audit)},
	} {
		if left := access.AllVerbs &^ d.Taken(tc.person, tc.on); left != tc.want {
			t.Errorf("%s on %v has %v left, want %v", tc.person, tc.on, left, tc.want)
		}
		for _, v := range access.Verbs() {
			if _, hit := d.Match(tc.person, access.SetOf(v), tc.on); hit == tc.want.Has(v) {
				t.Errorf("%s, %v on %v: %v", tc.person, v, tc.on, hit)
			}
		}
	}
	if d.Revoked("root", host) || !d.Revoked("root", server) {
		t.Error("what root gave on the host does not count there any more, or counts on the server")
	}
}

// TestDeniedWhileTheDiskWorks: a denial is in force while another is written, and one
// that is made while others are lifted stays.
func TestDeniedWhileTheDiskWorks(t *testing.T) {
	d, err := OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Add(Denial{Person: "bob", By: "root", At: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	old := d.Asked("bob", "")
	d.disk.Lock() // as one does that writes
	keep := d.Deny(Denial{Lock: true, By: "root"})
	again := d.Deny(Denial{Person: "bob", By: "root", At: time.Unix(2, 0)})
	if _, locked := d.Locked(access.Object{}); !locked {
		t.Error("it is not locked down before the disk has done its work")
	}
	d.disk.Unlock()
	if err := errors.Join(keep(), again()); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Lift(old); n != 0 || err != nil {
		t.Errorf("lifted %d, %v: bob was revoked again meanwhile", n, err)
	}
	if d, err = OpenDenials(d.file.path); err != nil || len(d.List()) != 2 {
		t.Fatalf("%d denials, %v", len(d.List()), err)
	}
}

// TestWhoLifts: a denial remembers how wide the right of who put it was, and whoever
// puts the same one by less does not make it less.
func TestWhoLifts(t *testing.T) {
	d, err := OpenDenials(filepath.Join(t.TempDir(), "revocations.json"))
	if err != nil {
		t.Fatal(err)
	}
	o := pane("alice", "one", "work", 1, 2, 7, 3, 9)
	for _, above := range []int{4, 0} {
		if err := d.Add(Denial{Lock: true, Scope: o, Target: "alice/work:2.3", By: "root", Above: above}); err != nil {
			t.Fatal(err)
		}
		if list := d.List(); len(list) != 1 || list[0].Keeper().Kind != access.Host {
			t.Errorf("%+v", list)
		}
	}
	if k := (Denial{Scope: o, Above: 3}).Keeper(); k.Kind != access.Server || k.Owner != "alice" {
		t.Errorf("%v", k)
	}
	for _, above := range []string{"-1", "1"} {
		text := `[{"person":"bob","scope":{},"target":"","by":"root","at":"2026-11-26T12:00:00Z","above":` + above + `}]`
		if list, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "who lifts it") {
			t.Errorf("%+v, %v", list, err)
		}
	}
}
