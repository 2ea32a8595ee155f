package attack

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory shares an account of the host with the owner, who comes in by ssh: sshd and the
// account's shell show the owner's ticket in their command lines. She reads it there, and
// brings it herself: from a program of the same account, from a pane of it, from her own
// ssh connection to it. She wants to be the owner. A ticket is taken only from what the
// connection started that it was made for, and by the first who brings it: only a second
// session on the owner's own connection gets as far as that.
func TestSS21Ticket(t *testing.T) {
	t.Parallel()
	row{gains: 5, ssh: true, sshMore: host.Lends, teeth: "teeth_ticket,teeth_once_ticket", restless: true, attack: func(w *world) {
		const shared = host.Work // the account that they share
		s := w.StartSSHD(host.Ticketed)
		look := []string{"capture-pane", "-p", "-t", owner + "/secret"}
		same := w.Base + "/control" // the owner's client shares its connections
		x := s.Terminal(w.KeyOf(owner), tmuxtest.TerminalConfig{}, "-M", "-S", same, shared+"@127.0.0.1", "attach", "-t", "shared")
		w.terminals = append(w.terminals, x)
		x.WaitFor("[shared]")
		ticket := s.LastTicket()
		bring := func(what, text string) {
			t.Helper()
			r := w.Exec(shared, nil, "/usr/bin/env", "SSH_ORIGINAL_COMMAND="+strings.Join(look, " "), s.Bin, "attach", "--state", w.State, "--ticket", text)
			w.listen(what, func() []byte { return []byte(r.Out + r.Err) })
			if r.Code == 0 {
				w.gain("%s: %q", what, r.Out)
			} else if !w.control && !strings.Contains(r.Err, "ticket") {
				t.Errorf("%s: %+v", what, r)
			}
		}
		bring("a program of the account", ticket)
		bring("once more", ticket)
		// A second session on the owner's own connection, and one on another.
		args := append(s.Args(w.KeyOf(stranger)), "-S", same, shared+"@127.0.0.1", strings.Join(look, " "))
		hear := func(what string, r host.Result) { w.listen(what, func() []byte { return []byte(r.Out + r.Err) }) }
		r := w.Exec(root, []byte{}, "ssh", args...)
		hear("a second session", r)
		if r.Code == 0 {
			w.gain("a second session: %q", r.Out)
		} else if !strings.Contains(r.Err, "taken already") {
			t.Errorf("a second session: %+v", r)
		}
		plain := w.Base + "/authorized_keys"
		if err := os.WriteFile(plain, []byte(w.PublicKey(stranger)), 0o644); err != nil {
			t.Fatal(err)
		}
		login := w.StartSSHD("StrictModes no\nAuthorizedKeysFile " + plain + "\n")
		line := "SSH_ORIGINAL_COMMAND='" + strings.Join(look, " ") + "' " + s.Bin + " attach --state " + w.State + " --ticket " + ticket
		r = login.Run(w.KeyOf(stranger), shared+"@127.0.0.1", line)
		hear("by another connection", r)
		if r.Code == 0 {
			w.gain("by another connection: %q", r.Out)
		} else if !strings.Contains(r.Err, "another connection") {
			t.Errorf("by another connection: %+v", r)
		}
		// In a pane of a server of the account's, that is not muxward's.
		theirs := tmuxtest.Start(t, tmuxtest.Config{As: tmuxtest.As(t, shared)})
		theirs.NewSession("mallorys", "env -u TMUX SSH_ORIGINAL_COMMAND='"+strings.Join(look, " ")+
			"' "+s.Bin+" attach --state "+w.State+" --ticket "+ticket+"; echo code-$?-; cat")
		var pane string
		tmuxtest.Eventually(t, func() bool {
			pane = theirs.Run("capture-pane", "-p", "-t", "mallorys")
			return strings.Contains(pane, "code-")
		}, "it ends in the pane")
		if strings.Contains(pane, "code-0-") {
			w.gain("in a pane: %q", pane)
		}
		w.listen("the pane", func() []byte { return []byte(pane) })
		if w.control {
			return
		}
		other := "A" // internal/identity tries all of them
		if ticket[40] == 'A' {
			other = "B"
		}
		bring("changed", ticket[:40]+other+ticket[41:])
		// She offers the owner's key, for which there is a ticket then, and proves her own.
		offered := w.Base + "/offered.pub"
		if err := os.WriteFile(offered, []byte(w.PublicKey(owner)), 0o644); err != nil {
			t.Fatal(err)
		}
		// What sshd says comes after what it does: the line of the owner's own login first.
		offers := func() int { return strings.Count(s.Log(), "Postponed publickey") }
		tmuxtest.Eventually(t, func() bool { return offers() == 1 }, "sshd tells of the owner's login")
		args = append([]string{"-i", offered}, append(s.Args(w.KeyOf(stranger)), shared+"@127.0.0.1", strings.Join(look, " "))...)
		r = w.Exec(root, []byte{}, "ssh", args...)
		w.note(stranger, look, r)
		if r.Code == 0 {
			w.gain("with the owner's key offered: %q", r.Out)
		}
		tmuxtest.Eventually(t, func() bool { return offers() == 3 }, "she has offered two keys")
		// Nobody but sshd is given one.
		pub := strings.Fields(w.PublicKey(owner))
		for _, who := range []string{shared, stranger, root} {
			if r := w.Exec(who, nil, s.Bin, "keys", "--state", w.State, shared, pub[0], pub[1]); r.Code == 0 || r.Out != "" {
				w.gain("%s is given a ticket: %+v", who, r)
			}
		}
		asker, err := user.Lookup(host.KeysUser)
		if err != nil {
			t.Fatal(err)
		}
		uid, err := strconv.ParseUint(asker.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if r := w.as(uint32(uid), s.Bin, "keys", "--state", w.State, shared, pub[0], pub[1]); r.Code == 0 || r.Out != "" {
			w.gain("%s is given a ticket by hand: %+v", host.KeysUser, r)
		}
		reasons := map[string]bool{}
		for _, e := range w.Audit() {
			if e.Kind == "door" && e.Door == "sshd" && !e.Allowed {
				reasons[e.Reason] = true
			}
		}
		for _, want := range []string{"another connection", "no ticket that is out", "taken already"} {
			found := false
			for r := range reasons {
				found = found || strings.Contains(r, want)
			}
			if !found {
				t.Errorf("the log does not say %q: %v", want, reasons)
			}
		}
	}}.run(t)
}
