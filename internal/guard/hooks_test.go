package guard

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// settled starts a server whose configuration counts as read.
func (w *world) settled(argv ...string) *Server {
	w.t.Helper()
	s := w.start("alice")
	run(w.t, s, append([]string{"new-session", "-d", "-s", "work"}, argv...)...)
	settle(w.t, w, s)
	w.heard("is its configuration")
	w.looked(s)
	w.quiet()
	return s
}

// looked waits until a whole look at the server has begun and ended.
func (w *world) looked(s *Server) {
	w.t.Helper()
	title := "mark" + rand8()
	run(w.t, s, "set", "-s", "command-alias[99]", "show-hooks="+title) // so that a look is seen to begin
	w.heard("the name of the command show-hooks")
	run(w.t, s, "set", "-su", "command-alias[99]")
	w.heard("no risk any more", "the name of the command show-hooks") // the look before has ended
}

// sources has the server read commands from a file, as many as one likes.
func (w *world) sources(s *Server, lines ...string) {
	w.t.Helper()
	file := filepath.Join(w.acct.Home, "commands")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if out, err := w.stock(nil, "-S", w.opt.Run+"/servers/"+s.kept.ID+"/s", "source-file", file); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
}

// about gives the notices that hold all words.
func (w *world) about(words ...string) (found []Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.notices {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(n.Text, word) }) {
			found = append(found, n)
		}
	}
	return found
}

// bulk are commands that set something of more than an answer may have.
func bulk(set string) (all []string) {
	for i := range maxAnswer/15000 + 10 {
		all = append(all, fmt.Sprintf(set, i)+" 'display-message "+strings.Repeat("x", 15000)+"'")
	}
	return all
}

// Somebody in a pane makes what the server has to tell longer than anybody
// reads, so that nothing is told. What is too long is told itself, and everything
// else as ever.
func TestNothingHidesTheRest(t *testing.T) {
	for _, c := range []struct {
		name, set, told string
	}{
		{"options", "set -p -t work @filler%d", "its options cannot be read, those of pane %0"},
		{"hooks", "set-hook -p -t work pane-died[%d]", "its hooks cannot be read, those of pane %0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.settled()
			w.sources(s, bulk(c.set)...)
			if c.told != "" {
				if n := w.heard(c.told); n.Kind != access.EventAlarm {
					t.Errorf("%+v", n)
				}
			}
			run(t, s, "set-hook", "-t", "work", "after-new-window", "kill-server")
			run(t, s, "set", "-s", "command-alias[90]", "list-panes=run-shell x")
			for _, said := range []string{"after-new-window of session $0 runs: kill-server", "the command list-panes"} {
				if n := w.heard("risk: new", said); n.Kind != access.EventAlarm {
					t.Errorf("%+v", n)
				}
			}
			if n := w.about("does not answer", "prints more"); len(n) > 0 { // a loaded machine may be slow to take them
				t.Errorf("%+v", n)
			}
			run(t, s, "kill-pane", "-t", "work")
		})
	}
}

// An ordinary client that comes or goes during a look is no stranger: only who
// is one in two looks running is told of.
func TestPassingClient(t *testing.T) {
	var asked, strange atomic.Int32
	w := newWorld(t, func(o *options) {
		o.Guard.OurClient = func(*Server, int, string) bool {
			n := asked.Add(1)
			return n%2 == 0 && strange.Load() == 0 // unknown in each other look
		}
	})
	s := w.settled()
	cmd := exec.Command(w.opt.Tmux, "-S", w.opt.Run+"/servers/"+s.kept.ID+"/s", "-C", "attach-session", "-t", "work")
	if asRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	tmuxtest.Eventually(t, func() bool { return asked.Load() >= 6 }, "whose client it is, is asked")
	if n := w.about("not muxward's"); len(n) > 0 {
		t.Errorf("an ordinary client is told of: %+v", n)
	}
	strange.Store(1)
	if n := w.heard("not muxward's", fmt.Sprint(cmd.Process.Pid)); n.Kind != access.EventAlarm {
		t.Errorf("%+v", n)
	}
}

// Many hooks at once are one alarm; each of them that changes later is another
// one, however many there are, and a long command is cut.
func TestManyHooks(t *testing.T) {
	w := newWorld(t)
	s := w.settled()
	set := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("set-hook -t work after-new-window[%d] 'display-message %d'", i, i))
		}
		return all
	}
	w.sources(s, set(40)...)
	if n := w.heard("after-new-window of session $0 runs: display-message 0", "and 30 more"); n.Kind != access.EventAlarm {
		t.Errorf("%+v", n)
	}
	run(t, s, "set-hook", "-t", "work", "after-new-window[37]", "kill-server")
	w.heard("risk: new", "after-new-window of session $0 runs: kill-server")
	long := "display-message " + strings.Repeat("y", 5000)
	run(t, s, "set-hook", "-t", "work", "after-new-window[38]", long)
	if n := w.heard("risk: new", "yyy", fmt.Sprintf("%d bytes, sha256 ", len(long))); len(n.Text) > 600 {
		t.Errorf("%d bytes are told", len(n.Text))
	}
	if n := w.about("risk: new"); len(n) != 3 {
		t.Errorf("%d alarms: %+v", len(n), n)
	}
	w.sources(s, set(150)...)
	w.heard("risk: new", "session $0 has more than 100 hooks")
	w.looked(s)
	w.quiet()
	run(t, s, "set-hook", "-t", "work", "after-new-window[140]", "kill-server")
	if n := w.heard("risk: new", "session $0 has more than 100 hooks"); n.Kind != access.EventAlarm {
		t.Errorf("%+v", n)
	}
}

// Nothing is told for windows that come and go.
func TestWindowsComeAndGo(t *testing.T) {
	w := newWorld(t)
	s := w.settled()
	run(t, s, "set", "-g", "allow-rename", "on")
	w.heard("risk: ", "allow-rename")
	w.quiet()
	for range 3 {
		run(t, s, "new-window", "-d", "-t", "work:")
		tmuxtest.Eventually(t, func() bool { return len(s.Risks()) > 0 }, "the risk is known")
	}
	tmuxtest.Eventually(t, func() bool { return strings.Contains(strings.Join(s.Risks(), ""), "in 4 panes") }, "the windows are seen")
	w.looked(s)
	if n := w.about("allow-rename"); len(n) > 0 {
		t.Errorf("%+v", n)
	}
}

// What appears while a configuration still has its time is told, and no alarm;
// nor is what it does again for a new session.
func TestConfigurationTakesItsTime(t *testing.T) {
	w := newWorld(t, func(o *options) { o.Guard.Settle = time.Hour })
	s := w.start("alice")
	run(t, s, "new-session", "-d", "-s", "work")
	settle(t, w, s)
	w.looked(s)
	run(t, s, "set-hook", "-t", "work", "after-kill-pane", "display-message x")
	if n := w.heard("after-kill-pane of session $0"); n.Kind != access.EventServer {
		t.Errorf("%+v", n)
	}
	w.looked(s)
	s.mu.Lock()
	s.readyAt = s.readyAt.Add(-2 * time.Hour) // the time has passed
	s.mu.Unlock()
	w.heard("is its configuration")
	run(t, s, "new-session", "-d", "-s", "second", ";", "set-hook", "-t", "second", "after-kill-pane", "display-message x")
	if n := w.heard("after-kill-pane of session $1"); n.Kind != access.EventServer {
		t.Errorf("what is known, for a new session: %+v", n)
	}
	run(t, s, "new-session", "-d", "-s", "third", ";", "set-hook", "-t", "third", "after-kill-pane", "kill-server")
	if n := w.heard("after-kill-pane of session $2"); n.Kind != access.EventAlarm {
		t.Errorf("another command for a new session: %+v", n)
	}
	run(t, s, "set-hook", "-t", "work", "after-kill-pane", "kill-server")
	if n := w.heard("after-kill-pane of session $0 runs: kill-server"); n.Kind != access.EventAlarm {
		t.Errorf("a session that was there: %+v", n)
	}
}
