package attack

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
)

// Bob watches by ssh and has his terminal change its size ten thousand times a second,
// so that tmux does nothing else but draw for him. tmux hears of twenty a second; the
// owner notices nothing.
func TestSS10WindowChanges(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_resize", restless: true, attack: func(w *world) {
		// On tmux itself each change of size that it hears of is counted.
		w.server.Run("set-option", "-g", "@sizes", "0", ";",
			"set-hook", "-g", "client-resized[7]", `set-option -gF @sizes "#{e|+|:#{@sizes},1}"`)
		c, err := w.dialSSH(viewer, 1)
		if err != nil {
			t.Fatal(err)
		}
		ch := w.attachRaw(c, owner+"/shared")
		began := time.Now()
		lasting := time.Duration(soak.N(10, 1)) * time.Second
		for n := uint32(0); time.Since(began) < lasting; n++ {
			size := struct{ C, R, W, H uint32 }{80 + n%100, 24 + n%50, 0, 0}
			if _, err := ch.SendRequest("window-change", false, ssh.Marshal(size)); err != nil {
				t.Fatal(err)
			}
			pause(50 * time.Microsecond)
			if n == 1000 {
				swift(t, "the owner's command meanwhile", func() {
					w.Must(owner, "display-message", "-p", "-t", "shared", "here")
				})
			}
		}
		took := time.Since(began)
		n, most := 0, 20*took.Seconds()+20 // and those as it began
		soonIf(w.control, func() bool {    // there it has many to hear of
			text := strings.TrimSpace(w.server.Run("show-options", "-gv", "@sizes"))
			if n, err = strconv.Atoi(text); err != nil || n == 0 {
				t.Errorf("tmux heard of %q sizes", text)
			}
			return !w.control || float64(n) > most
		})
		if float64(n) > most {
			w.gain("tmux heard of %d sizes in %v", n, took)
		}
		_ = c.Close()
	}}.run(t)
}

// attachRaw attaches a client of our own, and reads what it is shown.
func (w *world) attachRaw(c *ssh.Client, target string) ssh.Channel {
	w.t.Helper()
	ch, requests, err := c.OpenChannel("session", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	seen := &lockedBuffer{}
	w.listen("a client of our own", seen.Bytes)
	go func() { _, _ = seen.ReadFrom(ch) }()
	for _, r := range []struct {
		name    string
		payload []byte
	}{
		{"pty-req", ssh.Marshal(ptyRequest{Term: "xterm", Cols: 80, Rows: 24})},
		{"exec", ssh.Marshal(struct{ Line string }{"attach -t " + target})},
	} {
		if ok, err := ch.SendRequest(r.name, true, r.payload); !ok || err != nil {
			w.t.Fatalf("%s: %v, %v", r.name, ok, err)
		}
	}
	if !soon(func() bool { return strings.Contains(string(seen.Bytes()), "[") && len(seen.Bytes()) > 100 }) {
		w.t.Fatalf("nothing is shown: %q", seen.Bytes())
	}
	return ch
}
