package attack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

const inHours = standardGrants + `  - {who: mwcarol, role: typist, on: mwalice/rv, when: Mon 09:00-18:00 Europe/Berlin, reason: office}
`

// monday gives a time of the next Monday but one in Berlin.
func monday(t *testing.T, hour, minute, second int) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := time.Now().In(zone).Date()
	begin := time.Date(y, m, d+7, 0, 0, 0, 0, zone)
	return time.Date(y, m, d+7+(8-int(begin.Weekday()))%7, hour, minute, second, 0, zone)
}

// Carol's hours are over while she looks on, and the clock is set back into them. She
// is out from the minute on at which they end, and does not get in again. In the
// control run the wall is believed.
func TestRV06HoursOver(t *testing.T) {
	t.Parallel()
	row{paused: true, grants: inHours, teeth: "teeth_clock", restless: true, attack: func(w *world) {
		set := func(hour, minute, second int) {
			w.set(time.Until(monday(w.t, hour, minute, second)).String())
		}
		w.Must(owner, "new-session", "-d", "-s", "rv", "cat")
		set(12, 0, 0)
		x := w.attach(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/rv")
		x.WaitFor("[rv]")
		x.Type("within\r")
		x.WaitFor("within")
		set(17, 59, 57)
		tmuxtest.Eventually(w.t, x.Exited, "carol's display is closed")
		x.WaitTold("may not view this any more")
		w.refused(typist, "send-keys", "-t", "mwalice/rv", "over")
		set(12, 0, 0)
		w.refused(typist, "send-keys", "-t", "mwalice/rv", "back")
	}}.run(t)
}

// A host has no time zones. What its policy says of hours counts there all the same: a
// zone that nobody knows would keep the whole policy from being read, and one that was
// taken for another would open doors at night. In the control run the program has none.
func TestRV06HostWithoutZones(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "only root may chroot")
	}
	for _, tag := range []string{"", "teeth_zones"} {
		dir := tmuxtest.Dir(t, tmuxtest.Account{})
		program, err := os.ReadFile(host.Build(t, tag))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"muxward": string(program), "people.yaml": "people: {alice: {}, bob: {}}\n",
			"grants.yaml": "grants:\n  - {who: bob, role: typist, on: alice/work, when: Mon 09:00-18:00 Europe/Berlin, reason: office}\n",
		} {
			if err := tmuxtest.WriteProgram(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		explain := func(at string) string {
			cmd := exec.Command("/muxward", "policy", "explain", "--policy", "/", "--who", "bob", "--verb", "type", "--on", "alice/work:1.2", "--at", at)
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
			out, err := tmuxtest.Output(cmd)
			if err != nil {
				out += err.Error()
			}
			return out
		}
		in, out := explain("2026-07-06T07:00:00Z"), explain("2026-07-06T16:00:00Z")
		good := strings.HasPrefix(in, "allow: ") && strings.HasPrefix(out, "deny: ")
		if good != (tag == "") || !good && !strings.Contains(in, `there is no time zone "Europe/Berlin"`) {
			t.Errorf("%q: in summer at nine:\n%s\nand at six:\n%s", tag, in, out)
		}
	}
}
