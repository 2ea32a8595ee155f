package attack

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has nothing of alice's, and is to be let in by what a session's environment
// declares: carol has a shell of alice's set it, in each way a program can; bob, who may
// do much there and not share, and mallory herself ask for it; it comes by the
// environments that tmux takes over, and by a key of alice's at the ssh door; alice sets a key for carol that does it, and says
// more than the policy lets her. In the control run every hand is alice's, and everybody
// declares everything.
func TestTM25Declarations(t *testing.T) {
	t.Parallel()
	const hands = standardGrants + `  - {who: mwcarol, role: typist, on: "mwalice/hand:0.0", reason: types there}
  - {who: mwcarol, verbs: [view, share, configure, execute, navigate], on: mwalice/hand, reason: looks}
  - {who: mwbob, verbs: [view, scroll, type, configure, execute, kick], on: mwalice, reason: helps}
`
	row{grants: hands, teeth: "teeth_hand,teeth_declared,teeth_chain", restless: true, ssh: true, gains: 10, attack: func(w *world) {
		w.anyInput = true
		d := declarer{w}
		w.Must(owner, "new-session", "-d", "-x", "200", "-y", "50", "-s", "hand", "exec sh")
		x := w.attach(carol, tmuxtest.TerminalConfig{Cols: 200, Rows: 50}, "attach", "-t", "mwalice/hand")
		x.WaitFor("[hand]")
		for i, line := range []string{
			"tmux set-environment -t hand MUXWARD_ALLOW mwmallory:view",
			"tmux set-environment -h -t hand MUXWARD_ALLOW mwmallory:view",
			"tmux set-environment -F -t hand MUXWARD_ALLOW mwmallory:view",
			"tmux set-environment -g MUXWARD_ALLOW mwmallory:view",
			"setsid -w tmux set-environment -t hand MUXWARD_ALLOW mwmallory:view",
			"tmux new-session -d -s made -e MUXWARD_ALLOW=mwmallory:view",
			"setsid -w tmux new-session -d -s left -e MUXWARD_ALLOW=mwmallory:view",
			"MUXWARD_ALLOW=mwmallory:view tmux new-session -d -s inherited",
			"tmux new-window -d -t hand -e MUXWARD_ALLOW=mwmallory:view",
			"tmux set-option -g update-environment MUXWARD_ALLOW; tmux set-option -g update-environment[9] MUXWARD_ALLOW",
			"tmux run-shell -d 0 -C 'set-environment -t hand MUXWARD_ALLOW mwmallory:view ; set-option -g @late 1'",
			"tmux if-shell -F 1 'set-environment -t hand MUXWARD_ALLOW mwmallory:view'",
			"tmux set-hook -t hand window-renamed 'set-environment -t hand MUXWARD_ALLOW mwmallory:view ; set-option -g @late 1' && tmux rename-window -t hand x",
		} {
			x.Type(fmt.Sprintf("clear; %s; echo ran%d'-'$?.\r", line, i))
			done := func(code int) bool { return x.Contains(fmt.Sprintf("ran%d-%d.", i, code)) }
			tmuxtest.Eventually(w.t, func() bool { return done(0) || done(1) }, line)
			if strings.Contains(line, "@late") && done(0) { // tmux does it by itself, later
				tmuxtest.Eventually(w.t, func() bool { return w.Server(owner).Run("show-options", "-gqv", "@late") == "1" }, "tmux does it: "+line)
				w.Server(owner).Run("set-option", "-gu", "@late")
			}
			d.look("a program in alice's pane: " + line)
		}
		// Past muxward, as a program of her account could.
		w.Server(owner).Run("set-environment", "-t", "hand", "MUXWARD_ALLOW", "mwmallory:view")
		d.look("past muxward")
		// By a key of alice's, which may lie in that pane, at the ssh door.
		_ = w.SSH(owner, "x@127.0.0.1", "set-environment", "-t", "hand", "MUXWARD_ALLOW", "mwmallory:view")
		d.look("alice's key at the ssh door")
		_ = w.SSH(owner, "x@127.0.0.1", "new-session", "-d", "-s", "made", "-e", "MUXWARD_ALLOW=mwmallory:view")
		d.look("a session that alice's key makes")
		// By the environment of alice's own client, where no session is made.
		_ = w.Exec(owner, nil, "env", "MUXWARD_ALLOW=mwmallory:view", "tmux", "new-session", "-A", "-s", "hand")
		d.look("the environment of who attaches")
		for who, target := range map[string]string{viewer: "mwalice/hand", stranger: "mwalice/hand"} {
			_ = w.try(who, "set-environment", "-t", target, "MUXWARD_ALLOW", "mwmallory:view")
			d.look(who + " sets it")
		}
		// Alice chose what carol's key does; carol may share, and has not said it.
		w.Must(owner, "bind-key", "-n", "C-t", "set-environment", "-t", "hand", "MUXWARD_ALLOW", "mwmallory:view")
		x.Type("\x14clear\recho pressed'-'it\r")
		x.WaitFor("pressed-it")
		x.WaitTold("it is not set by a key")
		d.look("carol's key, of alice's choice")
		// Carol has chosen what alice's own commands are on her server.
		for i, alias := range []string{
			"ls=set-environment -t hand MUXWARD_ALLOW mwmallory:view ; list-sessions",
			"new=new-session -e MUXWARD_ALLOW=mwmallory:view",
		} {
			x.Type(fmt.Sprintf("clear; tmux set-option -s 'command-alias[9%d]' '%s'; echo alias%d'-'$?\r", i, alias, i))
			x.WaitFor(fmt.Sprintf("alias%d-0", i))
		}
		for _, args := range [][]string{{"ls"}, {"new", "-d", "-s", "made"}} {
			_ = w.Exec(owner, nil, "env", append([]string{"MUXWARD_ALLOWED=", "tmux"}, args...)...) // on a terminal of alice's
			d.look("an alias of alice's " + args[0])
		}
		w.Must(owner, "set-option", "-su", "command-alias[90]")
		w.Must(owner, "set-option", "-su", "command-alias[91]")
		// What is wrong or too much in a part gives nothing at all.
		for _, value := range []string{
			"mwmallory:view,mwbob:vieww", "mwmallory:view,", "*:owner", "mwmallory:view,*:viewer", "mwmallory:owner",
			"mwmallory:operator", "mwmallory:view,mwbob:share", "mwmallory:view%99", "mwmallory:view," + strings.Repeat("x", 8<<10),
			"mwmallory:view,mwnobody:view", "mwmallory:view\nmwbob:view",
		} {
			if r := w.Tmux(owner, "set-environment", "-t", "hand", "MUXWARD_ALLOW", value); r.Code == 0 && !w.control {
				w.t.Errorf("%.40q is taken: %+v", value, r)
			}
			d.look("alice says too much")
		}
		if w.control {
			return
		}
		w.Must(owner, "set-environment", "-t", "hand", "MUXWARD_ALLOW", "mwmallory:view")
		if r := w.Tmux(stranger, "has-session", "-t", "mwalice/hand"); r.Code != 0 {
			w.t.Errorf("alice says it herself: %+v", r)
		}
	}}.run(t)
}

// declarer sees what a declaration has given.
type declarer struct{ *world }

// look tells whether mallory is let in by now, and ends that.
func (d declarer) look(how string) {
	d.t.Helper()
	if d.Tmux(stranger, "ls").Code == 0 {
		d.gain("%s", how)
	}
	d.Must(owner, "set-environment", "-u", "-t", "hand", "MUXWARD_ALLOW") // or it would be told of the next
	for _, s := range []string{"made", "left", "inherited"} {
		_ = d.Tmux(owner, "kill-session", "-t", "="+s)
	}
}
