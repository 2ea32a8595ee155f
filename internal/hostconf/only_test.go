package hostconf

import "testing"

// What only root, we and an account can change is so by whose it is and by its mode.
func TestOnly(t *testing.T) {
	for _, c := range []struct {
		f    fact
		want bool
	}{
		{fact{Mode: 0o644}, true}, {fact{UID: 7, Mode: 0o644}, true}, {fact{UID: 8, Mode: 0o644}, true}, {fact{UID: 9, Mode: 0o644}, false},
		{fact{UID: 8, Mode: 0o646}, false}, {fact{UID: 8, GID: 8, Mode: 0o664}, false}, {fact{Mode: 0o1777}, false},
	} {
		if got := (&tree{uid: 7}).only(c.f, 8); got != c.want {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
}
