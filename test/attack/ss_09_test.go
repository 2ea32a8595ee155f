package attack

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/soak"
)

// Bob has a key and a client of his own making. He asks for terminals of no size and of
// every size, with modes that are none, twice, and after their time, and of kinds whose
// description would be looked for where he likes. He gets one terminal, of a size that
// there is, as tmux itself tells, and nobody else notices. In the control run a terminal is of any kind and size.
func TestSS09OddTerminals(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_ssh,teeth_clamped", gains: 7, attack: func(w *world) {
		w.oddTerminals()
		c, err := w.dialSSH(viewer, 30)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, kind := range []string{"", "../../etc/x", "-x", "x y", "x\x1b[c", string(make([]byte, 65))} {
			ch, requests, err := c.OpenChannel("session", nil)
			if err != nil {
				t.Fatal(err)
			}
			go ssh.DiscardRequests(requests)
			if ok, err := ch.SendRequest("pty-req", true, ssh.Marshal(ptyRequest{Term: kind, Cols: 80, Rows: 24})); ok && err == nil {
				w.gain("a terminal of the kind %.20q", kind)
			}
			_ = ch.Close()
		}
	}}.run(t)
}

type ptyRequest struct {
	Term                      string
	Cols, Rows, Width, Height uint32
	Modes                     string
}

func (w *world) oddTerminals() {
	for i, m := range []ptyRequest{
		{"xterm", 0, 0, 0, 0, ""}, {"xterm", 65535, 65535, 0, 0, "\xff\xff"}, {"xterm", math.MaxUint32, math.MaxUint32, 1, 1, "\x03\x00"},
		{"xterm", 1, 1, 0, 0, "\x03\x00\x00\x00\x00\x00"},
	} {
		c, err := w.dialSSH(viewer, 10+i)
		if err != nil {
			w.t.Fatal(err)
		}
		ch, requests, err := c.OpenChannel("session", nil)
		if err != nil {
			w.t.Fatal(err)
		}
		go ssh.DiscardRequests(requests)
		ask := func(name string, payload []byte) bool {
			ok, err := ch.SendRequest(name, true, payload)
			return ok && err == nil
		}
		first, second := ask("pty-req", ssh.Marshal(m)), ask("pty-req", ssh.Marshal(m))
		begun := ask("exec", ssh.Marshal(struct{ Line string }{"attach -t " + owner + "/shared"}))
		if !first || second || !begun {
			w.t.Errorf("%+v: terminal %v, again %v, begun %v", m, first, second, begun)
		}
		w.sizeIs(m.Cols, m.Rows)
		for name, payload := range map[string][]byte{
			"pty-req": ssh.Marshal(m), "shell": nil, "exec": ssh.Marshal(struct{ Line string }{"ls"}), "env": nil, "window-change": {1},
			"exit-status": ssh.Marshal(struct{ N uint32 }{0}), "signal": ssh.Marshal(struct{ S string }{"KILL"}), "break": make([]byte, 4), "": nil,
		} {
			if ask(name, payload) {
				w.t.Errorf("%q is granted afterwards", name)
			}
		}
		for n := range uint32(soak.N(100_000, 1000)) {
			size := struct{ C, R, W, H uint32 }{n * 7919, n * 104729, 0, 0}
			if _, err := ch.SendRequest("window-change", false, ssh.Marshal(size)); err != nil {
				break
			}
		}
		last := struct{ C, R, W, H uint32 }{math.MaxUint16, math.MaxUint16, 0, 0}
		if _, err := ch.SendRequest("window-change", false, ssh.Marshal(last)); err != nil {
			w.t.Error(err)
		}
		w.sizeIs(math.MaxUint16, math.MaxUint16)
		_, _ = ch.Write([]byte("x"))
		_ = ch.CloseWrite()
		_, _ = ch.Write([]byte("after the end"))
		_ = c.Close()
	}
}

// sizeIs waits until tmux says of somebody's display that it is as large as they have asked, within
// what there is.
func (w *world) sizeIs(cols, rows uint32) {
	w.t.Helper()
	within := func(n uint32, none, most int) int {
		if n == 0 {
			return none
		}
		return int(min(n, uint32(most)))
	}
	high := within(rows, 24, attach.MaxRows)
	if !w.control {
		high = max(high, attach.MinRows)
	}
	want := fmt.Sprintf("%dx%d", within(cols, 80, attach.MaxCols), high)
	var all []string
	look := func() bool {
		all = strings.Fields(w.server.Run("list-clients", "-F", "#{?client_control_mode,,#{client_width}x#{client_height}}"))
		return slices.Contains(all, want)
	}
	large := func() bool {
		_ = look()
		return slices.ContainsFunc(all, func(size string) bool {
			var c, r int
			_, err := fmt.Sscanf(size, "%dx%d", &c, &r)
			return err != nil || c > attach.MaxCols || r > attach.MaxRows
		})
	}
	switch {
	case w.control && (cols > attach.MaxCols || rows > attach.MaxRows):
		if w.soon(large) {
			w.gain("a display of %s", all)
		}
	case !soon(look):
		w.t.Errorf("a display that is to be %s is of %q", want, all)
	case large():
		w.gain("a display of %s", all)
	}
}
