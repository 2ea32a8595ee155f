package attack

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// Bob may have connections made to every host and port. He wants those that are not of
// the network: services of this host by its addresses and names, in every way to write
// them, what a cloud tells its hosts, and the sockets of muxward and of others' tmux. What is special is
// reached only where an entry names it itself, and sockets by the path that they lead to.
func TestSS23Special(t *testing.T) {
	t.Parallel()
	named := fmt.Sprintf("/tmp/mw-ss23-%d", os.Getpid()) // another run of this test may have its own
	row{ssh: true, gains: 3, teeth: "teeth_reach,teeth_reach_path", reach: `allow:
  - {id: everything, who: mwbob, permit_open: ["*:*", "0.0.0.0/0:*", "[::/0]:*"], reason: as far as it goes}
  - {id: socket, who: mwbob, permit_open: [` + named + `], reason: one socket}
`, attack: func(w *world) {
		to := w.internalService()
		_, p, err := net.SplitHostPort(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"127.0.0.1", "localhost", "LOCALHOST.", "127.1", "127.0.0.2", "0.0.0.0", "0", "2130706433", "0x7f000001",
			"[::ffff:127.0.0.1]", "[::1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::1]"} {
			w.reachesFor(viewer, name+":"+p)
		}
		for _, special := range append(specialPlaces(), w.SSHAddr()) {
			w.reachesFor(viewer, special)
		}
		// Sockets: of muxward, of the owner's tmux, of bob's own doors, and by a link in the place of one that is named.
		for _, path := range []string{w.Doors + "/run/ctl", w.server.Socket, w.Doors + "/run/../run/ctl"} {
			if said := w.forwarded(viewer, path); said != "" {
				w.gain("%s says %q", path, said)
			}
		}
		real := w.internalSocket()
		if err := os.Chmod(real, 0o777); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(named) })
		_ = os.Remove(named)
		if err := os.Symlink(real, named); err != nil {
			t.Fatal(err)
		}
		if said := w.forwarded(viewer, named); strings.Contains(said, w.mark) {
			w.gain("by a link: %q", said)
		}
		if w.control {
			return
		}
		// That nobody answers there proves nothing: it has to be refused for what it is.
		why := map[string]string{}
		for _, e := range w.Audit() {
			if e.Kind == "denied" && e.Person == viewer && e.Door == "ssh" && len(e.Asked) > 0 {
				why[e.Asked[len(e.Asked)-1]] = e.Rule + ": " + e.Reason
			}
		}
		for _, to := range append(specialPlaces(), "127.0.0.1:"+p, "localhost:"+p, "127.0.0.2:"+p, "0.0.0.0:"+p, "[::1]:"+p, "[64:ff9b::7f00:1]:"+p, w.SSHAddr()) {
			if !strings.HasPrefix(why[to], "default: ") || !strings.Contains(why[to], "special") {
				t.Errorf("%s is refused by %q", to, why[to])
			}
		}
	}}.run(t)
}

// specialPlaces are those of clouds, of the link and of no single host.
func specialPlaces() []string {
	return []string{"169.254.169.254:80", "[fd00:ec2::23]:80", "[fd20:ce::254]:80", "[fe80::1]:80", "100.100.100.200:80", "168.63.129.16:80",
		"224.0.0.1:80", "[64:ff9b:1::a9fe:a9fe]:80", "[2001::1]:80"}
}

// reachesFor has somebody's ssh connect its standard streams.
func (w *world) reachesFor(who, to string) {
	w.t.Helper()
	r := w.SSH(who, "-W", to, "x@127.0.0.1")
	w.listen(who+" -W "+to, func() []byte { return []byte(r.Err) })
	if r.Code == 0 || strings.Contains(r.Out, w.mark) || r.Out != "" {
		w.gain("-W %s: %q", to, r.Out)
	}
}
