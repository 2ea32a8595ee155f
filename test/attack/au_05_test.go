package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Somebody has a container in which they are whichever number they like, and the doors'
// directory is in it. They take alice's number there, or bob's. Which namespaces it was is in the log. In
// the control run the number is all that counts.
func TestAU05SameNumberInAContainer(t *testing.T) {
	t.Parallel()
	row{teeth: "teeth_namespace", unlogged: true, restless: true, gains: 2, attack: func(w *world) {
		alice := tmuxtest.As(w.t, owner)
		id := fmt.Sprint(alice.UID)
		args := []string{"tmux", "-S", w.door(owner), "has-session", "-t", "secret"}
		if r := w.Exec(owner, nil, args[0], args[1:]...); r.Code != 0 {
			w.t.Fatalf("from outside: %+v", r)
		}
		pid := append([]string{"--pid", "--fork", "setpriv", "--reuid", id, "--regid", fmt.Sprint(alice.GID), "--clear-groups"}, args...)
		if r := w.Exec(root, nil, "unshare", pid...); r.Code == 0 {
			w.gain("from a pid namespace: %+v", r)
		}
		args = []string{"tmux", "-S", w.door(viewer), "has-session", "-t", "mwalice/shared"}
		if r := w.Exec(viewer, nil, "unshare", append([]string{"--user", "--map-current-user"}, args...)...); r.Code == 0 {
			w.gain("from a user namespace: %+v", r)
		}
		if w.control {
			return
		}
		// The alarm is told once for all that come soon after; internal/identity tries what it says.
		if !w.soon(func() bool {
			return strings.Contains(w.Output(), "another pid namespace (pid:[") || strings.Contains(w.Output(), "another pid namespace (which")
		}) {
			w.t.Errorf("nothing tells of the namespace: %s", w.Output())
		}
	}}.run(t)
}

// Whose containers are let in by the configuration may come from there.
func TestAU05Admitted(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{Settings: "namespaces: [mwalice]\n"})
	if r := b.Exec(owner, nil, "unshare", "--user", "--map-current-user", "tmux", "-S", doorOf(b, owner), "has-session", "-t", "shared"); r.Code != 0 {
		t.Errorf("alice: %+v", r)
	}
	if r := b.Exec(viewer, nil, "unshare", "--user", "--map-current-user", "tmux", "-S", doorOf(b, viewer), "has-session", "-t", "mwalice/shared"); r.Code == 0 {
		t.Errorf("bob, whom nobody has let in so: %+v", r)
	}
}
