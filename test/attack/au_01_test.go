package attack

import (
	"regexp"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// A stranger (an account without any grant) and a ghost (a uid that has no
// account and is nobody in the policy) stand at the door with the tmux client.
// They want in; failing that, they want to learn what there is, by comparing
// what they hear about a session that exists with what they hear about one
// that does not. Both are told the same, byte for byte, and their client exits
// 1.
func TestAU01StrangerAtTheDoor(t *testing.T) {
	times := regexp.MustCompile(`(?m)^(%begin|%error) \d+`)
	knock := func(w *world, ask func(args ...string) host.Result) {
		for _, args := range [][]string{
			{"ls"}, {"kill-server"},
			{"new-session", "-d", "-t", "mwalice/shared"}, {"new-session", "-d", "-s", "mwalice/mine"},
		} {
			r := ask(args...)
			if r.Out != "" {
				w.gain("%q printed %q", args, r.Out)
			}
			if r.Code != 1 {
				w.gain("%q: exit %d", args, r.Code)
			}
		}
		for _, form := range [][]string{
			{"has-session", "-t"}, {"attach", "-t"}, {"list-windows", "-t"}, {"capture-pane", "-p", "-t"},
			{"send-keys", "-t"}, {"kill-session", "-t"}, {"display-message", "-p", "-t"}, {"-C", "attach", "-t"},
		} {
			there, not := ask(append(form, "mwalice/shared")...), ask(append(form, "mwalice/absent")...)
			// In control mode an answer has its time.
			there.Out, not.Out = times.ReplaceAllString(there.Out, "$1"), times.ReplaceAllString(not.Out, "$1")
			if is, want := swap(there, "absent"), swap(not, "absent"); is != want {
				w.gain("%q: of a session that exists %q, of another %q", form, is, want)
			}
			if there.Code != 1 || not.Code != 1 {
				w.gain("%q: exit %d and %d", form, there.Code, not.Code)
			}
		}
	}
	t.Run("stranger", row{teeth: "teeth_decide", attack: func(w *world) {
		knock(w, func(args ...string) host.Result { return w.refused(stranger, args...) })
	}}.run)
	const ghost, withGhost = 61099, standardPeople + "  mwghost: {uid: 61099}\n"
	// They were somebody once, so there is a door. In the control run they
	// still are.
	t.Run("ghost", row{people: withGhost, unlogged: true, attack: func(w *world) {
		w.Reload("grants.yaml", everyVerb+"  - {who: mwghost, role: owner, on: mwalice, reason: of old}\n")
		if w.control {
			w.accounts(func(passwd string) string { return passwd + "mwghost:x:61099:61099::/:/bin/sh\n" })
		} else {
			w.Reload("grants.yaml", standardGrants)
			w.Reload("people.yaml", standardPeople)
		}
		knock(w, func(args ...string) host.Result {
			r := w.as(ghost, "tmux", args...)
			if r.Code == 0 {
				w.gain("a ghost: %q", args)
			}
			return r
		})
		w.alarmed("uid 61099")
	}}.run)
}
