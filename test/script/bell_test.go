package script

import (
	"os"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestBellInHours: carol may answer nothing when bob asks, and is attached somewhere
// else. Her hours begin, of which nothing tells; she is told of what waits all the same.
func TestBellInHours(t *testing.T) {
	tmuxtest.As(t, host.Alice)
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	day := time.Now().UTC().Truncate(24 * time.Hour).Add(48 * time.Hour)
	set := func(clock time.Duration) {
		t.Helper()
		err := os.WriteFile(dir+"/clock.new", []byte(time.Until(day.Add(clock)).String()), 0o644)
		if err == nil {
			err = os.Rename(dir+"/clock.new", dir+"/clock")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set(8 * time.Hour)
	h := host.Start(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}, Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: view, on: mwalice/work, reason: watches}
  - {who: mwcarol, verbs: [view, type, approve], on: mwalice/work, when: Mon-Sun 09:00-18:00 UTC, reason: office}
  - {who: mwcarol, role: typist, on: mwbob/his, reason: helps}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.Must(host.Bob, "new-session", "-d", "-s", "his", "cat")
	c := h.Terminal(host.Carol, tmuxtest.TerminalConfig{}, "attach", "-t", "mwbob/his")
	c.WaitFor("[his]")
	if r := h.Muxward(host.Bob, "request", "type", "-t", "mwalice/work", "--wait=false", "--deadline", "20h"); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	set(9 * time.Hour)
	c.WaitTold("mwbob asks for type on mwalice/work")
}
