package attack

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
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
		// What a client goes on without: an agent, a screen, and ports that are asked for later.
		// A screen is asked for without looking whether it is there.
		args := append(w.SSHArgs(w.KeyOf(viewer)), "-A", "-Y", "x@127.0.0.1", "ls")
		r := w.Exec("root", []byte{}, "env", append([]string{"DISPLAY=127.0.0.1:77", "ssh-agent", "ssh"}, args...)...)
		w.note(viewer, []string{"ls"}, r)
		for _, end := range []string{to, w.internalSocket()} {
			if said := w.forwarded(viewer, end); strings.Contains(said, w.mark) {
				w.gain("-L %s: %q", end, said)
			}
		}
		if said := w.bySOCKS(viewer, to); strings.Contains(said, w.mark) {
			w.gain("-D: %q", said)
		}
		if w.control {
			return
		}
		var asked []string
		for _, e := range w.Audit() {
			if e.Kind == "denied" && e.Door == "ssh" && e.Person == viewer {
				asked = append(asked, strings.Join(e.Asked, " "))
			}
		}
		for _, what := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "tcpip-forward", "streamlocal-forward@openssh.com",
			"subsystem sftp", "subsystem netconf", "auth-agent-req@openssh.com", "x11-req", "tun@openssh.com"} {
			if !strings.Contains(strings.Join(asked, "\n"), what) {
				t.Errorf("the log does not tell of %s, but of %q", what, asked)
			}
		}
	}}.run(t)
}

// forwarded has somebody's ssh pass on what comes to a socket of theirs, and gives what is
// heard there.
func (w *world) forwarded(who, to string) string {
	w.t.Helper()
	path := fmt.Sprintf("%s/l-%d", w.Base, len(to))
	args := append(w.SSHArgs(w.KeyOf(who)), "-N", "-L", path+":"+to, "x@127.0.0.1")
	return w.heardBehind(args, "unix", path, nil)
}

// bySOCKS is forwarded for a port that is no one place's.
func (w *world) bySOCKS(who, to string) string {
	w.t.Helper()
	at := fmt.Sprintf("127.%d.%d.%d:1080", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254)) // where nobody else listens
	n, err := strconv.Atoi(port(to))
	if err != nil {
		w.t.Fatal(err)
	}
	ask := []byte{4, 1, byte(n >> 8), byte(n), 127, 0, 0, 1, 0} // SOCKS 4: connect
	return w.heardBehind(append(w.SSHArgs(w.KeyOf(who)), "-N", "-D", at, "x@127.0.0.1"), "tcp", at, ask)
}

// heardBehind starts an ssh, connects to what it listens at, and gives what is heard.
func (w *world) heardBehind(args []string, network, at string, say []byte) string {
	w.t.Helper()
	ctx, end := context.WithTimeout(w.t.Context(), tmuxtest.Patience)
	cmd := exec.CommandContext(ctx, "ssh", args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		end()
		_ = cmd.Wait() // it was killed
	}()
	var c net.Conn
	tmuxtest.Eventually(w.t, func() (ok bool) {
		var err error
		c, err = net.Dial(network, at)
		return err == nil
	}, "ssh %q listens", args[len(args)-3:])
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(tmuxtest.Patience))
	_, _ = c.Write(say)
	said, _ := io.ReadAll(c) // it may be cut off
	return string(said)
}

// internalSocket is internalService at a path.
func (w *world) internalSocket() string {
	w.t.Helper()
	path := w.Base + "/internal"
	l, err := net.Listen("unix", path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.serveMark(l)
	return path
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
			line = strings.Replace(line, "new-session", "new-session -t mwalice/shared", 1) // not on a server of her own
			if !strings.Contains(line, "\x00") {                                            // no program is given such an argument
				w.trySSH(typist, "x@127.0.0.1", line)
			}
		}
		w.baited()
	}}.run(t)
}
