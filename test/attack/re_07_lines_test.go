package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/test/host"
)

// Somebody who holds every verb says by lines what size things are to be: larger
// than any screen, by each way there is, and a thousand times a second, so that
// tmux draws for nobody else any more. What is too large is refused, with the
// most that is allowed; what comes too often waits for its turn; sizes that
// people have are taken as they are. In the control run the same lines go to the
// guarded socket itself.
func TestRE07SizesByLines(t *testing.T) {
	b := lay(t, host.Config{TmuxConf: "set -g window-size latest\n"})
	const limit = "larger than 2000x1000"
	l := b.Control(owner, "attach", "-t", "other")
	l.Wait("%session-changed")
	for _, line := range []string{
		"refresh-client -C 10000x10000", "refresh-client -C 2001,24", "refresh-client -C 80x1001", "refresh-client -C 99999999999999999999x5",
		"refresh-client -C @0:5000x50", "resize-window -x 9000", "resize-window -y 1001", "resize-window -R 9000", "resize-window -D 1000",
		"new-session -d -s huge -x 9000 -y 10", "new-session -d -s huge -y 5000", "set-option -g default-size 9000x9000",
		"set -g default-si 80x1001", "if-shell -F 1 { resize-window -x 9000 }", "if-shell -F 1 'resize-window -x 9000'",
		"bind-key x resize-window -x 9000", "select-layout 'b9ad,5000x24,0,0,0'", "rename-window x ; resize-window -x 9000",
	} {
		block := strings.Join(l.Ask(line), "\n")
		if !strings.Contains(block, "%error ") || !strings.Contains(block, limit) {
			t.Errorf("%q: %q", line, block)
		}
	}
	for _, c := range []struct {
		who  string
		args []string
	}{
		{root, []string{"resize-window", "-t", "mwalice/other", "-x", "9000"}},
		{viewer, []string{"new-session", "-d", "-x", "9000"}}, // where no server runs yet
	} {
		if r := b.Tmux(c.who, c.args...); r.Code == 0 || !strings.Contains(r.Err, limit) {
			t.Errorf("%s: %q: %+v", c.who, c.args, r)
		}
	}
	if size := b.largest(); size[0] > 2000 || size[1] > 1000 {
		t.Errorf("tmux has heard of %v", size)
	}
	b.kept()
	b.Must(owner, "new-session", "-d", "-s", "wide", "-x", "800", "-y", "600", "cat")
	b.Must(owner, "resize-window", "-t", "wide:", "-x", "800", "-y", "600") // tmux 3.2 takes the size of who is attached
	if got := b.server.Run("display-message", "-p", "-t", "wide:", "#{window_width}x#{window_height}"); got != "800x600" {
		t.Errorf("a session of 800x600 measures %s", got)
	}
	n := soak.N(1000, 60)
	took := sized(l, n)
	t.Logf("%d sizes took %v", n, took)
	if least := time.Duration(n-20) * time.Second / 20; took < least {
		t.Errorf("tmux heard of %d sizes within %v", n, took)
	}
	b.VerifyAudit()

	raw := b.Control(owner, "-S", b.server.Socket, "attach", "-t", "other")
	raw.Wait("%session-changed")
	if took := sized(raw, n); took > time.Duration(n-20)*time.Second/20 {
		t.Errorf("control run: %d sizes took %v past muxward", n, took)
	}
	raw.Ask("refresh-client -C 3000x1200")
	raw.Ask("resize-window -x 3000 -y 1200")
	if size := b.largest(); size[0] != 3000 || size[1] != 1200 {
		t.Errorf("control run: past muxward a window gets %v", size)
	}
}

// sized says n sizes at once, and gives how long it takes until all of them are
// answered.
func sized(l *host.Lines, n int) time.Duration {
	began := time.Now()
	for i := range n - 1 {
		l.Say(fmt.Sprintf("refresh-client -C %dx24", 80+i%2))
	}
	l.Say("refresh-client -C 90x24 ; display-message -p sized-" + fmt.Sprint(n))
	l.Wait("sized-" + fmt.Sprint(n))
	return time.Since(began)
}

// largest are the most columns and rows of the owner's windows and clients.
func (b *bed) largest() (size [2]int) {
	b.t.Helper()
	for line := range strings.Lines(b.server.Run("list-windows", "-a", "-F", "#{window_width} #{window_height}") + "\n" +
		b.server.Run("list-clients", "-F", "#{client_width} #{client_height}")) {
		var w, h int
		if n, _ := fmt.Sscan(line, &w, &h); n == 2 {
			size[0], size[1] = max(size[0], w), max(size[1], h)
		}
	}
	return size
}
