package attack

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// A program in a pane of the owner's server runs as the owner's account, so it
// finds the guarded socket and does there what the owner could: it puts a
// stranger on tmux's own list, has commands run when windows are renamed and
// panes are made, gives a command's name to another one, types into another
// pane, and ends the server. It wants the stranger let in, what was revoked
// undone, and others to work on in a server of its making. None of that comes of
// it: people are told of each change, whoever was let in or was not stays so,
// and nothing is held on the old ids. The control run is tmux itself, which does
// have each change; and while muxward is stopped nobody is told of one.
func TestPN04ProgramInPane(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{TmuxConf: "set-hook -g pane-exited 'display-message theirs'\nset -g set-titles on\n"})
	p := programIn(b)
	mustRevoke(b, "-t", "mwalice/other", viewer)
	rights := rightsOf(b)
	// What the configuration has set is no alarm, and it has its time for that.
	tmuxtest.Eventually(t, func() bool {
		return b.logs("server", "set-titles is on") > 0 && b.logs("server", "pane-exited of every session")+b.logs("server", "pane-exited of every window") > 0
	}, "the configuration's risks are told")
	tmuxtest.Eventually(t, func() bool { return b.logs("server", "is its configuration") > 0 }, "the configuration has had its time")

	canary := tmuxtest.Dir(t, tmuxtest.As(t, owner))
	lure := "run-shell 'touch " + canary + "/caught'"
	for _, c := range []struct {
		do, show    []string
		shown, told string
	}{
		{[]string{"server-access", "-aw", stranger}, []string{"server-access", "-l"}, stranger, stranger},
		{[]string{"set-hook", "-g", "after-split-window", lure}, []string{"show-hooks", "-g"}, "caught", "the hook after-split-window of every session runs: run-shell"},
		{[]string{"set-hook", "-t", "shared", "after-rename-window", lure}, []string{"show-hooks", "-t", "shared"}, "caught", "the hook after-rename-window of session $0 runs: run-shell"},
		{[]string{"set", "-s", "command-alias[90]", "list-windows=" + lure}, []string{"show", "-s", "command-alias"}, "caught", "the name of the command list-windows"},
	} {
		if c.do[0] == "server-access" && !strings.Contains(b.server.Run("list-commands"), "server-access ") {
			continue // not before 3.3
		}
		changed := time.Now()
		p.does(c.do...)
		if got := b.server.Run(c.show...); !strings.Contains(got, c.shown) {
			t.Errorf("control run: tmux has no %q after %q:\n%s", c.shown, c.do, got)
		}
		b.alarmed(c.told)
		inTime(t, changed, 5*time.Second, "told of %s", c.do[0])
	}
	if n := b.logs("alarm", "pane-exited"); n != 0 {
		t.Errorf("%d alarms about the configuration's own hook", n)
	}
	p.does("send-keys", "-t", "shared:0.1", "-l", "inside")
	tmuxtest.Eventually(t, func() bool { return string(b.side.Bytes()) == "inside" }, "control run: what is typed arrives in another pane")
	p.keepsOut(rights)

	// The last of it while nobody looks.
	b.Signal(sigStop)
	p.does("set-hook", "-gw", "window-layout-changed", lure)
	if got := b.server.Run("show-hooks", "-gw"); !strings.Contains(got, "caught") {
		t.Errorf("control run: tmux has no hook:\n%s", got)
	}
	if n := b.logs("alarm", "window-layout-changed"); n != 0 {
		t.Errorf("control run: muxward is stopped, and tells %d times", n)
	}
	goesOn := time.Now()
	b.Signal(sigCont)
	b.alarmed("the hook window-layout-changed of every window runs")
	inTime(t, goesOn, 5*time.Second, "told of what was changed meanwhile")
	p.ends(rights)
	b.VerifyAudit()
}

// insider is a program in a pane of the owner's: its commands run there, in the
// environment that tmux gave it.
type insider struct {
	*bed
	dir string
}

func programIn(b *bed) *insider {
	return &insider{b, tmuxtest.Dir(b.t, tmuxtest.As(b.t, owner))}
}

// does has the program run tmux at the guarded socket, and waits until it has.
func (p *insider) does(args ...string) {
	p.t.Helper()
	words := []string{"tmux", "-S", p.server.Socket}
	for _, a := range args {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	done := p.dir + "/" + randomWord()
	script := strings.Join(words, " ") + " >" + done + ".out 2>&1; echo $? >" + done + ".new; mv " + done + ".new " + done
	p.server.Run("new-window", "-d", "-t", "other:", script)
	var code []byte
	tmuxtest.Eventually(p.t, func() bool {
		var err error
		code, err = os.ReadFile(done)
		return err == nil
	}, "the program in the pane runs %q", args)
	if string(code) != "0\n" {
		out, _ := os.ReadFile(done + ".out")
		p.t.Fatalf("the program's %q: exit %s%s", args, code, out)
	}
}

// mustRevoke takes something from somebody.
func mustRevoke(b *bed, args ...string) {
	b.t.Helper()
	if r := b.Muxward(root, append([]string{"revoke", "--reason", "not any more"}, args...)...); r.Code != 0 {
		b.t.Fatalf("revoke: %+v", r)
	}
}

// rightsOf is what everybody holds, by muxward's own word.
func rightsOf(b *bed) string {
	b.t.Helper()
	r := b.Muxward(root, "revoke", "--list")
	if r.Code != 0 || !strings.Contains(r.Out, viewer) {
		b.t.Fatalf("revoke --list: %+v", r)
	}
	return r.Out
}

// keepsOut fails unless everybody holds what they held.
func (p *insider) keepsOut(rights string) {
	p.t.Helper()
	if now := rightsOf(p.bed); now != rights {
		p.t.Errorf("what is revoked was\n%s\nand is\n%s", rights, now)
	}
	out, err := tmuxtest.Output(tmuxtest.As(p.t, stranger).Command("tmux", "-S", p.server.Socket, "ls"))
	if err == nil {
		p.t.Errorf("the stranger gets to the server: %s", out)
	}
	for _, c := range []struct {
		who  string
		args []string
	}{
		{stranger, []string{"has-session", "-t", "mwalice/shared"}},
		{viewer, []string{"has-session", "-t", "mwalice/other"}},
		{viewer, []string{"send-keys", "-t", "mwalice/shared:0.0", "x"}},
		{typist, []string{"send-keys", "-t", "mwalice/shared:0.1", "x"}},
	} {
		if r := p.Tmux(c.who, c.args...); r.Code == 0 {
			p.t.Errorf("%s may now: %q", c.who, c.args)
		}
	}
	p.Must(viewer, "has-session", "-t", "mwalice/shared")
	p.typed(typist, "k"+randomWord())
}

// ends has the program end the server while people are attached. The owner's
// next server has sessions with the same ids, which are not what was granted.
func (p *insider) ends(rights string) {
	p.t.Helper()
	carol := p.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	carol.WaitFor("recording")
	bob := p.Control(viewer, "attach", "-t", "mwalice/shared")
	bob.Wait("%session-changed $0 mwalice/shared")
	p.server.Run("new-window", "-d", "-t", "other:", "tmux -S "+p.server.Socket+" kill-server")
	tmuxtest.Eventually(p.t, carol.Exited, "carol leaves with the server")
	bob.Code()
	tmuxtest.Eventually(p.t, func() bool {
		return slices.ContainsFunc(p.Audit(), func(e host.Event) bool { return strings.Contains(e.Note, "has ended") })
	}, "it is told that the server has ended")

	rec := tmuxtest.NewRecorder(p.t)
	p.Must(owner, "new-session", "-d", "-s", "private", rec.Command())
	rec.WaitReady()
	if ids := p.Must(owner, "list-panes", "-a", "-F", "#{session_id} #{pane_id}"); ids != "$0 %0" {
		p.t.Fatalf("the next server has %s", ids)
	}
	carol.Type("x")
	bob.Say("send-keys -t %0 x")
	for _, target := range []string{"mwalice/$0", "mwalice/%0", "mwalice/shared", "mwalice/shared:0.0"} {
		for _, who := range []string{viewer, typist, stranger} {
			if r := p.Tmux(who, "send-keys", "-t", target, "x"); r.Code == 0 {
				p.t.Errorf("%s types into %s of the next server", who, target)
			}
			if r := p.Tmux(who, "has-session", "-t", target); r.Code == 0 {
				p.t.Errorf("%s sees %s of the next server", who, target)
			}
		}
	}
	p.Must(owner, "send-keys", "-t", "private", "o")
	tmuxtest.Eventually(p.t, func() bool { return rec.Len() > 0 }, "the owner types")
	if got := string(rec.Bytes()); got != "o" {
		p.t.Errorf("the next server's pane received %q", got)
	}
	if now := rightsOf(p.bed); now != rights {
		p.t.Errorf("what is revoked was\n%s\nand is\n%s", rights, now)
	}
}
