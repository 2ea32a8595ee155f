package script

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// through gives an address at which the next one who comes is on a connection that is there.
func through(t *testing.T, conn net.Conn) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); _ = conn.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		go func() { _, _ = io.Copy(conn, nc) }() // ends with either
		_, _ = io.Copy(nc, conn)
	}()
	return l.Addr().String()
}

// Systemd holds the ssh door open: alice comes in by the sockets that it made, by two addresses;
// while muxward is away she connects, waits, and is let in by the next one. Beside a helper, and as
// root. Without such a socket she is turned away meanwhile.
func TestSocketActivation(t *testing.T) {
	for name, account := range map[string]string{"beside a helper": host.Ward, "as root": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmuxtest.As(t, host.Alice) // skips where there are no accounts
			one, addr := host.ManagersSocket(t, "127.0.0.1:0")
			two, second := host.ManagersSocket(t, "127.0.0.2:0")
			h := host.Start(t, host.Config{Account: account, SSH: []string{host.Alice}, SSHListen: second, Change: host.AsManager(one, two)})
			if at := h.SSHAddr(); at != second {
				t.Errorf("the door is at %s, and muxward.yaml says %s", at, second)
			}
			if !strings.Contains(h.Output(), "and at "+addr) {
				t.Errorf("it does not say that it is at %s, too:\n%s", addr, h.Output())
			}
			h.Must(host.Alice, "new-session", "-d", "-s", "work")
			comes := func(at, host string) {
				t.Helper()
				h.SSHElsewhere = at
				if r := h.SSH("mwalice", "work@"+host, "ls"); r.Code != 0 || !strings.Contains(r.Out, "work") {
					t.Errorf("at %s: %+v", at, r)
				}
			}
			comes(addr, "127.0.0.1")
			comes(second, "127.0.0.2")
			h.Stop()
			conn, err := net.DialTimeout("tcp", addr, host.Patience)
			if err != nil {
				t.Fatalf("while muxward is away: %v", err)
			}
			h.Run()
			comes(through(t, conn), "127.0.0.1")
			h.Kill()
			if conn, err = net.DialTimeout("tcp", second, host.Patience); err != nil {
				t.Fatalf("while muxward is away, killed: %v", err)
			}
			h.Run()
			comes(through(t, conn), "127.0.0.1")
			h.Stop()
			_, _ = one.Close(), two.Close()
			tmuxtest.Eventually(t, func() bool { // a process of the tests that is just being started has it, too, until it is what it is to be
				conn, err := net.DialTimeout("tcp", addr, host.Patience)
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			}, "nobody listens any more: else something of muxward has kept the socket")
		})
	}
}

// A door without ssh: listen is where the socket is; one that is to be elsewhere, and other
// things than listening sockets, keep muxward from starting, and it says what to do.
func TestSocketActivationRefused(t *testing.T) {
	tmuxtest.As(t, host.Alice)
	socket, addr := host.ManagersSocket(t, "127.0.0.1:0")
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, account := range map[string]string{"beside a helper": host.Ward, "as root": ""} {
		h := host.Prepare(t, host.Config{Account: account, SSH: []string{host.Alice}, SSHListen: "127.0.0.3:2222", Change: host.AsManager(socket)})
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), `"127.0.0.3:2222" (ssh: listen), and systemd passes `+addr) || h.Stopped() != 2 {
			t.Errorf("%s: two addresses: %v", name, err)
		}
		h = host.Prepare(t, host.Config{Account: account, SSH: []string{host.Alice}, SSHListen: addr, Change: host.AsManager(null)})
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), "is no socket") || h.Stopped() != 1 {
			t.Errorf("%s: a file: %v", name, err)
		}
		h = host.Start(t, host.Config{Account: account, Settings: "ssh: {account_keys: true}\n", Change: host.AsManager(socket)})
		if at := h.SSHAddr(); at != addr {
			t.Errorf("%s: the door is at %s, not %s", name, at, addr)
		}
		conn, err := net.DialTimeout("tcp", addr, host.Patience)
		if err != nil {
			t.Fatal(err)
		}
		banner := make([]byte, 4)
		_ = conn.SetReadDeadline(time.Now().Add(host.Patience))
		if _, err := io.ReadFull(conn, banner); err != nil || string(banner) != "SSH-" {
			t.Errorf("%s: %q, %v", name, banner, err)
		}
		_ = conn.Close()
		h.Stop()
	}
}
