package grants

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

func somePane(id uint32) access.Object {
	return access.Object{
		Kind: access.Pane, Owner: "alice", Incarnation: "one", Session: access.SessionRef{ID: 1, Name: "work"},
		Window: access.WindowRef{ID: 2}, Pane: access.PaneRef{ID: id},
	}
}

func openLeases(t *testing.T, path string, list ...Lease) *Leases {
	t.Helper()
	s, err := OpenLeases(path)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := s.Change(func(was []Lease) ([]Lease, error) { return append(was, list...), nil })
	if err == nil {
		err = keep()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What bob is kept from by carol's lease: to type into the pane, whatever names it and
// wherever it lies by now, and into what it may lie in, and to have tmux run something
// there. All else is as it was.
func TestLeaseMatch(t *testing.T) {
	t.Parallel()
	s := openLeases(t, filepath.Join(t.TempDir(), "leases.json"),
		Lease{ID: 1, On: somePane(3), Holder: "carol", By: "alice", Grace: time.Minute})
	typing, moved, renamed := access.SetOf(access.Type), somePane(3), somePane(3)
	moved.Window.ID, moved.Session.ID = 9, 9
	renamed.Session.Name = "play"
	next, others := somePane(3), somePane(3)
	next.Incarnation, others.Owner = "two", "bob"
	for name, c := range map[string]struct {
		verbs access.VerbSet
		on    access.Object
		hit   bool
	}{
		"the pane":                     {typing, somePane(3), true},
		"elsewhere":                    {typing, moved, true},
		"renamed":                      {typing, renamed, true},
		"its window":                   {typing, somePane(3).Up(), true},
		"its session":                  {typing, somePane(3).Up().Up(), true},
		"its server":                   {access.TmuxVerbs, somePane(3).Up().Up().Up(), true},
		"tmux by itself":               {access.SetOf(access.Execute), somePane(3).Up().Up().Up(), true},
		"the host":                     {typing, access.Object{}, false},
		"another pane":                 {typing, somePane(4), false},
		"the next life of the server":  {typing, next, false},
		"bob's own server":             {typing, others, false},
		"to look":                      {access.SetOf(access.View, access.Scroll), somePane(3), false},
		"to set options of the server": {access.SetOf(access.Configure), somePane(3).Up().Up().Up(), false},
	} {
		if l, hit := s.Match(identity.Supposed(identity.Subject{Person: "bob"}), c.verbs, c.on); hit != c.hit {
			t.Errorf("%s: %v, %v", name, hit, l)
		}
	}
	for _, c := range []struct {
		who identity.Subject
		hit bool
	}{
		{identity.Subject{Person: "carol"}, false},
		{identity.Subject{Person: "carol", Inside: "carol/%1"}, true},
		{identity.Subject{}, true},
	} {
		if _, hit := s.Match(identity.Supposed(c.who), typing, somePane(3)); hit != c.hit {
			t.Errorf("%+v: %v", c.who, hit)
		}
	}
	var none *Leases
	if _, hit := none.Match(identity.Identity{}, access.AllVerbs, somePane(3)); hit || none.List() != nil {
		t.Error("where there is no store somebody is kept from something")
	}
}

// A lease is there again with the next life, and whose line is begun is in doubt then. A
// store that is damaged is not taken for an empty one.
func TestLeasesSurvive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "leases.json")
	s := openLeases(t, path,
		Lease{ID: 1, On: somePane(3), Holder: "carol", By: "alice", Grace: time.Minute},
		Lease{ID: 2, On: somePane(4), By: "alice", Grace: time.Minute, Line: "bob"})
	s.Typed("carol", somePane(3), true)
	s.Typed("dave", somePane(3), true)
	if l, _ := s.Of(somePane(3)); l.Line != "carol" {
		t.Errorf("carol has begun a line, and it is said to be %q's", l.Line)
	}
	s.Typed("carol", somePane(3), false)
	if l, _ := s.Of(somePane(3)); l.Line != "" {
		t.Errorf("it is ended, and it is said to be %q's", l.Line)
	}
	again := openLeases(t, path)
	again.Unsure()
	if l, ok := again.Of(somePane(3)); !ok || l.Holder != "carol" || l.Line != "carol" {
		t.Errorf("in the next life: %+v, %v", l, ok)
	}
	if l, ok := again.Of(somePane(4)); !ok || l.Holder != "" || l.Line != "bob" {
		t.Errorf("in the next life: %+v, %v", l, ok)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut":          string(whole[:len(whole)/2]),
		"of no pane":   strings.Replace(string(whole), `"Kind": 4`, `"Kind": 3`, 1),
		"twice":        strings.Replace(string(whole), `"id": 2`, `"id": 1`, 1),
		"unknown":      strings.Replace(string(whole), `"by"`, `"from"`, 1),
		"no grace":     strings.Replace(string(whole), "60000000000", "0", 1),
		"nobody's":     strings.Replace(string(whole), `"holder": "carol"`, `"holder": "ca rol"`, 1),
		"with a tail":  string(whole) + "[]",
		"empty":        "",
		"of one alive": strings.Replace(string(whole), `"Incarnation": "one"`, `"Incarnation": ""`, 1),
	} {
		if text == string(whole) {
			t.Fatalf("%s: nothing is changed", name)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLeases(path); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
