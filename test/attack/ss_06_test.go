package attack

import (
	"strings"
	"testing"
)

// Bob wants to use the SSH door as a way into the host's network: ports there and
// back, his agent and screen here, a tunnel, files. Only sessions are offered; what
// was asked for is in the log.
func TestSS06Forwarding(t *testing.T) {
	t.Parallel()
	row{ssh: true, ordinary: true, attack: func(w *world) {
		to := w.internalService()
		for _, args := range [][]string{
			{"-W", to, "x@127.0.0.1"},
			{"-o", "ExitOnForwardFailure=yes", "-R", "0:" + to, "x@127.0.0.1", "display", "-p", "in"},
			{"-o", "ExitOnForwardFailure=yes", "-R", w.Base + "/fwd:" + to, "x@127.0.0.1", "display", "-p", "in"},
			{"-o", "ExitOnForwardFailure=yes", "-o", "Tunnel=point-to-point", "-w", "any:any", "x@127.0.0.1", "display", "-p", "in"},
			{"-s", "x@127.0.0.1", "sftp"},
			{"-s", "x@127.0.0.1", "netconf"},
		} {
			r := w.SSH(viewer, args...)
			w.note(viewer, []string{args[0]}, r) // what is asked for has other names there
			if r.Code == 0 {
				w.gain("%q: %q", args, r.Out)
			}
		}
		// What a client goes on without.
		w.trySSH(viewer, "-A", "-X", "x@127.0.0.1", "ls")
		if w.control {
			return
		}
		var asked []string
		for _, e := range w.Audit() {
			if e.Kind == "denied" && e.Door == "ssh" && e.Person == viewer {
				asked = append(asked, strings.Join(e.Asked, " "))
			}
		}
		for _, what := range []string{"direct-tcpip", "tcpip-forward", "streamlocal-forward@openssh.com", "subsystem sftp"} {
			if !strings.Contains(strings.Join(asked, "\n"), what) {
				t.Errorf("the log does not tell of %s, but of %q", what, asked)
			}
		}
	}}.run(t)
}

// Carol hopes that behind the SSH door there is a shell, or at least something that
// reads her line as one would.
func TestSS08CommandLines(t *testing.T) {
	t.Parallel()
	row{ssh: true, ordinary: true, attack: func(w *world) {
		for _, line := range []string{
			"tmux kill-server; " + w.lure(), "tmux ls && " + w.lure(), "tmux ls | " + w.lure(), "sh -c '" + w.lure() + "'", w.lure(),
			"tmux ls\n" + w.lure(), "tmux ls `" + w.lure() + "`", "tmux ls $(" + w.lure() + ")", "tmux ls > " + w.canary + "/caught",
			"scp -t " + w.canary, "rsync --server -e.LsfxC . " + w.canary, "/usr/lib/openssh/sftp-server", "internal-sftp",
			"tmux -c '" + w.lure() + "'", "tmux -f /dev/null new 'x'", "tmux -S /tmp/x ls", "env " + w.lure(), "exec " + w.lure(),
			"tmux run-shell '" + w.lure() + "'", "tmux new-session -d '" + w.lure() + "' \\; kill-server",
			"tmux display -p '#(" + w.lure() + ")'", "tmux kill-session -t mwalice/shared", "tmux \x00 ls", "tmux ls \\; \"" + w.lure() + "\"",
		} {
			if strings.Contains(line, "new-session") {
				line = strings.Replace(line, "new-session", "new-session -t mwalice/shared", 1) // not on a server of her own
			}
			if !strings.Contains(line, "\x00") { // no program is given such an argument
				w.trySSH(typist, "x@127.0.0.1", line)
			}
		}
		w.baited()
	}}.run(t)
}
