package attack

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/test/host"
)

// bombTime is what muxward may work on one request of a bomb, as processor
// time: what others do on this machine does not count.
const bombTime = time.Second

// Patterns, formats and listings that take for ever, on a host with a hundred
// thousand grants and many sessions: *a*a*…, in a target, in a filter, in a
// rule; formats in formats; a listing of everything. Each is answered or
// refused after a bounded amount of work, and others do not notice. What is
// counted is the processor time of muxward. That the number of grants looked
// at does not grow is counted in internal/policy, and steps of formats and
// patterns in internal/tmux.
//
// It was seen to fail with patterns matched by trying all ways, and with the
// text of a listing not bounded, which is why it is.
func TestDO06Bombs(t *testing.T) {
	many := soak.N(2000, 100)
	long := strings.Repeat("a", 120)
	policy := map[string]string{"grants.yaml": bedGrants + "  - {who: mwbob, role: viewer, on: mwalice/" + long + ", reason: x}\n", "bomb.cedar": fmt.Sprintf(
		"permit (principal == Person::\"mwcarol\", action == Action::\"view\", resource)\nwhen { resource has session && resource.session like \"%s\" };\n",
		strings.Repeat("*a", 100)+"*b")}
	for i := range 10 {
		var b strings.Builder
		b.WriteString("grants:\n")
		for j := range 9_990 {
			n := i*9_990 + j
			who := []string{"mwbob", "mwcarol", `"*"`}[n%3]
			if n < 3*many {
				who = "mwbob"
			}
			fmt.Fprintf(&b, "  - {who: %s, role: viewer, on: mwalice/s%d, reason: x}\n", who, n)
		}
		policy[fmt.Sprintf("m%d.grants.yaml", i)] = b.String()
	}
	b := lay(t, host.Config{Policy: policy})
	b.server.Run("new-session", "-d", "-s", long, "cat", ";", "rename-window", "-t", "shared", long)
	for i := range many {
		b.server.Run("new-session", "-d", "-s", fmt.Sprintf("s%d", i), "cat")
	}
	b.pids = b.alivePIDs()
	stars := strings.Repeat("*a", 2000) + "*b"
	within := func(what, who string, argv ...string) host.Result {
		t.Helper()
		before := b.processorTime()
		r := b.Tmux(who, argv...)
		if took := b.processorTime() - before; took > bombTime {
			t.Errorf("%s: muxward worked %s on it, %d bytes", what, took, len(r.Out))
		} else {
			t.Logf("%s: %s, %d bytes", what, took, len(r.Out))
		}
		return r
	}
	for range soak.N(20, 1) {
		for _, who := range []string{viewer, typist, stranger} {
			within("a target", who, "has-session", "-t", "mwalice/"+stars)
			within("a window", who, "list-panes", "-t", "mwalice/shared:"+stars)
			within("sets", who, "has-session", "-t", "mwalice/"+strings.Repeat("*[a-a]", 2000)+"b")
			within("a filter", who, "list-sessions", "-f", "#{m:"+stars+",#{session_name}}")
			within("filters in filters", who, "list-sessions", "-F", strings.Repeat("#{m:*a*a*a*b,", 200)+long+strings.Repeat("}", 200))
			within("formats in formats", who, "list-sessions", "-F", strings.Repeat("#{?session_name,", 2000)+"x"+strings.Repeat(",}", 2000))
			within("a long format", who, "list-sessions", "-F", strings.Repeat("#{session_name}", 700))
			within("expressions", who, "list-sessions", "-f", "#{m/r:^"+strings.Repeat("(a|a)*", 30)+"b$,#{session_name}}")
			within("counted expressions", who, "list-sessions", "-F", "#{m/r:(((a{1,255}){1,255}){1,255}),#{session_name}}")
			within("replaced expressions", who, "list-sessions", "-F", "#{s/(a*)*(a*)*b/x/:session_name}")
			within("much padding", who, "list-sessions", "-F", "#{p999999999:session_name}")
		}
		r := within("a listing", viewer, "list-sessions", "-F", "#{session_name}")
		if n := strings.Count(r.Out, "\n"); n < many || r.Code != 0 {
			t.Errorf("control run: the listing has %d lines of %d: %.200s", n, many, r.Err)
		}
		within("all panes", viewer, "list-panes", "-a")
		b.typed(typist, "w"+randomWord())
	}
	b.turnsGreen()
	b.kept()
	b.VerifyAudit()
}
