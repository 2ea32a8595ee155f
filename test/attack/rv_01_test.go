package attack

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Carol types at 200 keys a second while she is revoked, and hopes that some
// of it still slips through: keys that lie in her terminal, in muxward, in the
// pipeline to tmux. And she goes on looking: a program in her picture counts
// all the time. Once `revoke` has returned, not one more byte reaches the pane
// and not one is shown to her, whether her keys are addressed to one pane or,
// with every verb, go to a display of her own; by a revocation of everything or
// of the session alone, or when the owner kicks her.
func TestRV01RevokedWhileTyping(t *testing.T) {
	const base = standardGrants + "  - {who: mwcarol, role: viewer, on: mwalice/rv, reason: looks}\n"
	const typing = base + "  - {who: mwcarol, role: typist, on: \"mwalice/rv:0.0\", reason: types}\n"
	const every = base + "  - {who: mwcarol, role: owner, on: mwalice, reason: every verb}\n"
	for _, c := range []struct {
		name, grants, mode, target string
		kicked                     bool
		reduced                    int
	}{
		{"addressed", typing, "addressed", "", false, 20},
		{"direct", every, "direct", "", false, 20},
		{"addressed-session", typing, "addressed", "mwalice/rv", false, 20},
		{"kicked", typing, "addressed", "mwalice/rv", true, 10},
	} {
		t.Run(c.name, row{grants: c.grants, teeth: "teeth_revoke", restless: true, gains: 2, attack: func(w *world) {
			rv := newRevocation(w, c.mode, c.target)
			if c.kicked {
				rv.take = func(*tmuxtest.Terminal) host.Result { return w.Muxward(owner, "kick", typist, "-t", "rv") }
				rv.undo = func() {
					if r := w.Muxward(owner, "kick", "--undo", typist, "-t", "rv"); r.Code != 0 {
						w.t.Errorf("she is not let in again: %+v", r)
					}
				}
			}
			trials := soak.N(1000, c.reduced)
			if w.control {
				trials = max(trials, 100) // it ends with the first that has met both
			}
			for i := range trials {
				rv.trial(i)
				if w.control && rv.typed > 0 && rv.seen > 0 {
					break // a verdict in memory lasts a second: not each trial meets one
				}
			}
			w.t.Logf("%d trials, %d keys, %.0f a second", trials, rv.keys, float64(rv.keys)/rv.time.Seconds())
			if w.control && (rv.typed == 0 || rv.seen == 0) {
				w.t.Errorf("without the check keys arrived in %d trials, and something was shown in %d: this is no test", rv.typed, rv.seen)
			}
		}}.run)
	}
}

// revocation is a session whose first pane records what is typed and in whose
// second a program counts.
type revocation struct {
	w            *world
	rec          *tmuxtest.Recorder
	pane         string
	mode, target string
	ssh          bool // carol comes by ssh: what the network has of her screen is hers
	// before prepares a trial, take takes from carol what she has and undo gives
	// it back; nil is by a revocation.
	before, undo func()
	take         func(x *tmuxtest.Terminal) host.Result
	// over is when it ends by itself, by the clock. A key that was handed to tmux before may come
	// behind a mark of somebody else's, by another connection; handed is what was handed over.
	over   time.Time
	handed handing

	typed, seen int // trials in which something came through
	keys        int64
	time        time.Duration
}

func newRevocation(w *world, mode, target string) *revocation {
	r := &revocation{w: w, rec: tmuxtest.NewRecorder(w.t), mode: mode, target: target}
	r.pane = w.Must(owner, "new-session", "-d", "-x", "80", "-y", "24", "-s", "rv", "-P", "-F", "#{pane_id}", r.rec.Command())
	w.Must(owner, "split-window", "-d", "-t", "rv", "i=0; while sleep 0.01; do i=$((i+1)); echo count-$i-; done")
	r.rec.WaitReady()
	return r
}

// own is what may be on carol's terminal after the mark: keys that the terminal
// itself echoes, which is hers again, and the last line of her client.
var own = regexp.MustCompile(`^[k\r\n]*(\[[a-z ]+\]\r\n)?[k\r\n]*$`)

// typing is somebody who presses keys at an even rate until they are stopped.
type typing struct {
	pressed atomic.Int64
	began   time.Time
	stop    chan struct{}
	stopped chan time.Duration
}

const keysPerSecond = 200

// typeAlong presses a key every five milliseconds, and as many at once as are
// due if the processor was away.
func typeAlong(x *tmuxtest.Terminal) *typing { return pressAlong(x, "k") }

func pressAlong(x *tmuxtest.Terminal, key string) *typing {
	k := &typing{began: time.Now(), stop: make(chan struct{}), stopped: make(chan time.Duration, 1)}
	go func() {
		tick := time.NewTicker(time.Second / keysPerSecond)
		defer tick.Stop()
		for end := false; !end; {
			select {
			case <-tick.C:
			case <-k.stop:
				end = true
			}
			lasted := time.Since(k.began)
			for due := int64(lasted * keysPerSecond / time.Second); k.pressed.Load() < due; k.pressed.Add(1) {
				x.Type(key)
			}
			if end {
				k.stopped <- lasted
			}
		}
	}()
	return k
}

// trial has carol attach, type, and be revoked in the middle of it.
func (r *revocation) trial(i int) {
	w := r.w
	w.t.Helper()
	r.rec.Reset()
	r.handed.reset(w)
	if r.before != nil {
		r.before()
	}
	var x *tmuxtest.Terminal
	if r.ssh {
		x = w.attachSSH(typist, tmuxtest.TerminalConfig{}, "mwalice/rv@127.0.0.1")
	} else {
		x = w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
	}
	x.WaitFor("recording")
	if who := w.Muxward(root, "who", "--json"); i == 0 && !strings.Contains(who.Out, `"`+r.mode+`"`) {
		w.t.Errorf("carol's input is not %s: %+v", r.mode, who)
	}
	k := typeAlong(x)
	tmuxtest.Eventually(w.t, func() bool { return r.rec.Len() > 4+i%13 }, "carol's keys reach the pane")
	tmuxtest.Eventually(w.t, func() bool { return bytes.Contains(x.Bytes(), []byte("count-")) }, "carol sees the program count")

	args := []string{"revoke", typist, "--reason", "enough"}
	if r.target != "" {
		args = append(args, "-t", r.target)
	}
	var res host.Result
	if r.take != nil {
		res = r.take(x)
	} else {
		res = w.Muxward(root, args...)
	}
	// Terminals keep their order: what comes after these marks came after
	// revoke had returned.
	mark := fmt.Sprintf("RETURNED-%d\r\n", i)
	x.Print(mark)
	r.says("|")
	before := k.pressed.Load()
	if res.Code != 0 {
		w.t.Errorf("trial %d: revoke: %+v", i, res)
	}
	tmuxtest.Eventually(w.t, func() bool { return k.pressed.Load() > before+8 }, "carol goes on typing")
	close(k.stop)
	lasted := <-k.stopped
	r.keys, r.time = r.keys+k.pressed.Load(), r.time+lasted
	if due := lasted.Seconds() * keysPerSecond; math.Abs(float64(k.pressed.Load())-due) > 1+due/20 {
		w.t.Errorf("trial %d: carol pressed %d keys in %v, not %d a second", i, k.pressed.Load(), lasted, keysPerSecond)
	}
	r.judge(i, x, mark)
	x.Close()
	if r.undo != nil {
		r.undo()
		return
	}
	if res := w.Muxward(root, append([]string{"revoke", "--undo", typist}, args[4:]...)...); res.Code != 0 {
		w.t.Errorf("trial %d: undo: %+v", i, res)
	}
}

// says has the owner type a mark, past muxward, as that is quicker. While a
// display of muxward's is there, which it is in control runs only, tmux 3.7 takes
// keys of nobody who comes that way.
func (r *revocation) says(mark string) {
	r.w.t.Helper()
	if _, err := r.w.server.Try("send-keys", "-t", r.pane, mark); err != nil {
		r.w.Must(owner, "send-keys", "-t", r.pane, mark)
	}
}

// closed waits until carol's display is closed: of what takes a right away by
// itself nobody hears when it is done. Without the check it may never be.
func (r *revocation) closed(x *tmuxtest.Terminal) host.Result {
	r.w.t.Helper()
	if r.w.control {
		return host.Result{}
	}
	tmuxtest.Eventually(r.w.t, x.Exited, "carol's display is closed")
	return host.Result{}
}

// inTime reports whether no more keys have come than muxward had handed to tmux by decisions
// made before it was over.
func (r *revocation) inTime() bool {
	return !r.over.IsZero() && bytes.Count(r.rec.Bytes(), []byte("k")) <= r.handed.inTime(r.over)
}

// judge looks at what came through after the marks.
func (r *revocation) judge(i int, x *tmuxtest.Terminal, mark string) {
	w := r.w
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool { return bytes.IndexByte(r.rec.Bytes(), '|') >= 0 }, "the owner's mark")
	// One more round trip through the server: what was on its way is there.
	r.says("!")
	var late []byte
	tmuxtest.Eventually(w.t, func() bool {
		_, late, _ = bytes.Cut(r.rec.Bytes(), []byte("|"))
		return bytes.IndexByte(late, '!') >= 0
	}, "the owner's second mark")
	if late = bytes.Trim(late, "!|"); len(late) > 0 && !r.inTime() {
		r.typed++
		w.gain("trial %d: %d keys reached the pane after revoke had returned", i, len(late))
	}
	if !r.over.IsZero() {
		r.held(i)
	}
	if r.ssh {
		if w.control {
			leave(x)
		} else if code := x.ExitCode(); code != 1 || !x.Contains("may not view this any more") {
			w.t.Errorf("trial %d: carol's ssh exits %d: %q", i, code, x.Screen())
		}
		return
	}
	shown := func() []byte {
		_, after, found := bytes.Cut(x.Bytes(), []byte(strings.TrimSpace(mark)))
		if !found || own.Match(after) {
			return nil
		}
		return after
	}
	if w.control {
		w.soon(func() bool { return shown() != nil })
		defer leave(x)
	} else if code := x.ExitCode(); code != 1 {
		w.t.Errorf("trial %d: carol's client exits %d", i, code)
	}
	// Without the check her terminal is given back at some later time, which
	// throws away what it has not shown: the mark, too.
	if !w.control && !bytes.Contains(x.Bytes(), []byte(strings.TrimSpace(mark))) {
		w.t.Errorf("trial %d: the mark is not on carol's terminal", i)
	}
	if text := shown(); text != nil {
		r.seen++
		w.gain("trial %d: %q was shown after revoke had returned", i, clip(text))
	}
	if w.control {
		return
	}
	if again := w.Tmux(typist, "attach", "-t", "mwalice/rv"); again.Code == 0 || again.Out != "" {
		w.gain("trial %d: carol got in again: %+v", i, again)
	}
}
