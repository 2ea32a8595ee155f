package identity

import "testing"

// TestSupposed: a supposed identity says what was supposed, and that it is one.
func TestSupposed(t *testing.T) {
	for _, want := range []Subject{
		{Person: "bob", Account: "b", UID: 7, Door: "tmux", Inside: "alice/%1"}, {Person: "root", Door: "tmux"}, {Person: "carol", UID: -1, MFA: true},
	} {
		who := Supposed(want)
		if who.Subject() != want || !who.IsSupposed() || who.IsNobody() {
			t.Errorf("%+v is supposed as %+v", want, who.Subject())
		}
		if _, ok := who.UID(); ok != (want.UID >= 0) {
			t.Errorf("%+v has a uid: %v", want, ok)
		}
	}
	if (Identity{}).IsSupposed() {
		t.Error("nobody is supposed")
	}
}
