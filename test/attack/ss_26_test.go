package attack

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Bob may have connections made, and wants more of them than are good for the host: many
// at once over each of many connections of his, none of which he closes. What is there at once of a person is bounded,
// somebody else is served meanwhile, and when he has gone nothing is left.
func TestSS26ManyForwards(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	row{ssh: true, restless: true, teeth: "teeth_ssh", reach: `allow:
  - {id: sink, who: mwbob, permit_open: ["` + s.addr + `"], permit_listen: ["127.0.0.1:*"], reason: bob}
  - {id: other, who: mwcarol, permit_open: ["` + s.addr + `"], reason: carol}
`, attack: func(w *world) {
		const connections, each = 3, 70
		var clients []*ssh.Client
		open, listens := 0, 0
		for i := range connections {
			c, err := w.dialSSH(viewer, 30+i)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
			for range each {
				ch, err := c.Dial("tcp", s.addr)
				if err != nil {
					break
				}
				open++
				_, _ = ch.Write([]byte("x")) // what it is for does not matter
			}
		}
		if open > 100 {
			w.gain("%d connections at once", open)
		}
		more, err := w.dialSSH(viewer, 40)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, more)
		for range 20 {
			if _, err := more.Listen("tcp", "127.0.0.1:0"); err == nil {
				listens++
			}
		}
		if listens > 16 {
			w.gain("%d listeners", listens)
		}
		carol, err := w.dialSSH(typist, 50)
		if err != nil {
			t.Fatal(err)
		}
		far, err := carol.Dial("tcp", s.addr)
		if err != nil {
			t.Errorf("carol: %v", err)
		} else {
			_ = far.Close()
		}
		_ = carol.Close()
		for _, c := range clients {
			_ = c.Close()
		}
		tmuxtest.Eventually(t, func() bool { return len(w.reaching()) == 0 }, "nothing that reaches is left")
	}}.run(t)
}

// reaching lists the processes that this muxward has started to reach for people.
func (w *world) reaching() (pids []string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline") // no process, or gone
		if strings.HasPrefix(string(line), w.Bin()) && strings.Contains(string(line), "\x00reach\x00") {
			pids = append(pids, e.Name())
		}
	}
	return pids
}
