package script

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestServiceManagerIsTold: who waits for muxward by sd_notify hears when it
// is ready, loads its policy anew and ends, at a path and at an abstract name.
func TestServiceManagerIsTold(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	for name, at := range map[string]string{"path": dir + "/notify", "abstract": fmt.Sprintf("@muxward-test-%d", os.Getpid())} {
		t.Run(name, func(t *testing.T) {
			manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer manager.Close()
			heard := func(want string) {
				t.Helper()
				buf := make([]byte, 4096)
				if err := manager.SetReadDeadline(time.Now().Add(host.Patience)); err != nil {
					t.Fatal(err)
				}
				n, err := manager.Read(buf)
				if err != nil || string(buf[:n]) != want {
					t.Fatalf("the manager is told %q (%v), want %q", buf[:n], err, want)
				}
			}
			h := host.Start(t, host.Config{Env: []string{"NOTIFY_SOCKET=" + at}})
			heard("READY=1")
			h.Signal(syscall.SIGHUP)
			heard("RELOADING=1")
			heard("READY=1")
			h.Stop()
			heard("STOPPING=1")
		})
	}
}

// TestEnv: what `muxward env` prints makes plain tmux of a shell come through
// muxward, wherever the doors are, and also inside another tmux.
func TestEnv(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	doors := tmuxtest.Dir(t, alice) + "/it's $HERE; `x`"
	h := host.Start(t, host.Config{User: host.Alice, Doors: doors})
	script := fmt.Sprintf(`TMUX=/nowhere,1,0 TMUX_TMPDIR=/nowhere; export TMUX TMUX_TMPDIR
eval "$(%s env)" && printf '%%s' "$TMUX_TMPDIR" && tmux new-session -d -s by-env && tmux list-sessions`, h.Bin())
	r := h.Exec(host.Alice, nil, "sh", "-c", script)
	if r.Code != 0 || !strings.HasPrefix(r.Out, doors+"by-env:") {
		t.Errorf("sh: %+v", r)
	}
	if out := h.Server(host.Alice).Run("list-sessions", "-F", "#{session_name}"); out != "by-env" {
		t.Errorf("the guarded server has %q", out)
	}
	if r := h.Muxward(host.Alice, "env", "--state", h.Base+"/none"); r.Code == 0 || r.Out != "" {
		t.Errorf("of a muxward that never ran: %+v", r)
	}
}

// TestCompletions: each shell gets a script, and takes it.
func TestCompletions(t *testing.T) {
	bin := host.Build(t, "")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		out, err := tmuxtest.Output(exec.Command(bin, "completion", shell))
		if err != nil || !strings.Contains(out, "muxward") || strings.Count(out, "\n") < 50 {
			t.Errorf("%s: %d bytes, %v", shell, len(out), err)
			continue
		}
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				tmuxtest.Skip(t, "needs %s, to read the completions", shell)
			}
			cmd := exec.Command(shell, "-n")
			cmd.Stdin = strings.NewReader(out)
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s -n: %v\n%s", shell, err, text)
			}
		})
	}
	out, err := tmuxtest.Output(exec.Command(bin, "__complete", "rev"))
	if err != nil || !strings.HasPrefix(out, "revoke\t") {
		t.Errorf("rev completes to %q, %v", out, err)
	}
}

// TestStatusSaysWhatItCannotPromise: the directory of a door keeps tmux from
// starting a server while muxward is away, and status says who can still do
// so. Both are true.
func TestStatusSaysWhatItCannotPromise(t *testing.T) {
	h := host.Start(t, host.Config{User: host.Alice})
	r := h.Muxward(host.Alice, "status")
	for _, sentence := range []string{
		"root, and the account a tmux server runs as, can reach that server without muxward",
		"root, or their owner after a chmod, can still do it",
	} {
		if !strings.Contains(r.Out, sentence) {
			t.Errorf("status does not say: %s\n%s", sentence, r.Out)
		}
	}
	h.Must(host.Alice, "new-session", "-d", "-s", "work")
	h.Server(host.Alice).Run("list-sessions") // without muxward, as its account
	h.Stop()
	door := fmt.Sprintf("%s/tmux-%d", h.Doors, tmuxtest.As(t, host.Alice).UID)
	// try starts a server at the door, and ends it again if that works.
	try := func() bool {
		h.Tmux(host.Alice, "new-session", "-d", "-s", "rogue")
		r := h.Tmux(host.Alice, "display-message", "-p", "#{pid}")
		if r.Code != 0 {
			return false
		}
		h.Must(host.Alice, "kill-server")
		tmuxtest.Eventually(t, func() bool {
			_, err := os.Stat("/proc/" + strings.TrimSpace(r.Out) + "/fd/0") // a zombie has none
			return err != nil
		}, "the server of the test has gone")
		return true
	}
	if try() {
		t.Error("a server was started in a door's directory as muxward left it")
	}
	if r := h.Exec(host.Alice, nil, "chmod", "u+w", door); r.Code != 0 {
		t.Fatalf("chmod: %+v", r)
	}
	if !try() {
		t.Error("after a chmod none was started: status says too little good of us")
	}
	// Muxward takes its door back.
	h.Run()
	if out := h.Must(host.Alice, "list-sessions", "-F", "#{session_name}"); out != "work" {
		t.Errorf("alice has %q", out)
	}
	if st, err := os.Stat(door); err != nil || st.Mode().Perm() != 0o500 {
		t.Errorf("the door's directory: %v %v", st.Mode(), err)
	}
}
