package attack

import (
	"strings"
	"testing"
)

// A stranger makes a user namespace in which they are root, and connects from
// there as "root"; or they come as the uid that the kernel shows for accounts
// it cannot show. They hope to be taken for somebody who may do everything.
// Who they are is their uid outside, and the overflow uid is nobody,
// also where containers of theirs are let in.
func TestAU04RootOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	row{loose: everyVerb, settings: "namespaces: [mwmallory]\n", attack: func(w *world) {
		for _, args := range [][]string{{"ls"}, {"has-session", "-t", "mwalice/shared"}, {"kill-session", "-t", "mwalice/secret"}} {
			r := w.Exec(stranger, nil, "unshare", append([]string{"-Ur", "tmux", "-S", w.door(stranger)}, args...)...)
			w.note(stranger, args, r)
			if r.Code == 0 {
				w.gain("as root of a namespace: %q", args)
			}
		}
		for _, uid := range []uint32{65534, 1<<32 - 2} {
			if r := w.as(uid, w.Bin(), "ls"); r.Code == 0 || !strings.Contains(r.Err, "does not know who you are") {
				w.gain("uid %d: %+v", uid, r)
			}
		}
	}}.run(t)
}
