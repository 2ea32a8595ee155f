package tmux

import "testing"

// A state of places takes over the clients of an older one that are at a session which is there
// still, and changes neither.
func TestWithClientsOf(t *testing.T) {
	old := NewSnapshot(Snapshot{Sessions: []Session{{ID: 1, Name: "one"}, {ID: 2, Name: "two"}},
		Clients: []Client{{Name: "a", Session: 1}, {Name: "b", Session: 2}}})
	now := NewSnapshot(Snapshot{Detail: Places, Sessions: []Session{{ID: 2, Name: "renamed"}, {ID: 3, Name: "three"}}})
	with := now.WithClientsOf(old)
	if with.Detail != Core || with.SessionByName("renamed") == nil || with.SessionByName("two") != nil {
		t.Errorf("%+v", with)
	}
	if len(with.Clients) != 1 || with.Client("b") == nil || now.Clients != nil || len(old.Clients) != 2 {
		t.Errorf("%+v, of %+v", with.Clients, old.Clients)
	}
	if first := now.WithClientsOf(nil); first.Clients != nil || first.Session(3) == nil {
		t.Errorf("%+v", first)
	}
}
