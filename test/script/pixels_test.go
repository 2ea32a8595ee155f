package script

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestPixels: alice's terminal says how large its characters are, at first and when she makes them larger.
// tmux hears of it as without muxward, and tells the programs that draw pictures.
func TestPixels(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, role: operator, on: mwalice/work, reason: a guest}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "echo READY; exec cat")
	alice := h.Terminal(host.Alice, tmuxtest.TerminalConfig{Tmux: "sh"}, "-c", "tmux attach -t work; exec tmux attach -t work")
	alice.WaitFor("READY")
	tty, err := os.OpenFile(alice.TTY(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	plain := h.Server(host.Alice)
	hears := func(want string) {
		t.Helper()
		tmuxtest.Eventually(t, func() bool {
			return strings.TrimSpace(listed(plain, "#{client_cell_width}x#{client_cell_height}")) == want
		}, "tmux has characters of "+want)
	}
	for want, ws := range map[string]unix.Winsize{
		"10x20": {Col: 80, Row: 24, Xpixel: 800, Ypixel: 480},
		"20x40": {Col: 80, Row: 24, Xpixel: 1600, Ypixel: 960},
	} {
		if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &ws); err != nil {
			t.Fatal(err)
		}
		hears(want)
	}
	last := strings.TrimSpace(listed(plain, "#{client_cell_width}x#{client_cell_height}"))
	alice.Type("\x02d")
	alice.WaitTold("[detached (from session work)]") // the next one draws over it
	alice.WaitFor("READY")
	hears(last)
	// Bob's are not told, at first and later: everybody's programs would be told of them.
	bob := h.Terminal(host.Bob, tmuxtest.TerminalConfig{Tmux: "sh"}, "-c", "read go; exec tmux attach -t mwalice/work")
	his, err := os.OpenFile(bob.TTY(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer his.Close()
	for _, cols := range []uint16{90, 100} {
		if err := unix.IoctlSetWinsize(int(his.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: cols, Row: 24, Xpixel: 65535, Ypixel: 65535}); err != nil {
			t.Fatal(err)
		}
		if cols == 90 {
			bob.Type("\r")
		}
		tmuxtest.Eventually(t, func() bool {
			said := plain.Run("list-clients", "-t", "work", "-F", "#{client_width} #{client_cell_width}x#{client_cell_height}")
			return strings.Contains(said, fmt.Sprintf("%d 0x0", cols))
		}, "tmux hears of bob's characters alone")
	}
}
