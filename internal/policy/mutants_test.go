package policy

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// mutant is a mistake in how decisions are made.
type mutant struct{ name, file, is, becomes string }

// mutants are decisions that are made wrongly, each in one place.
func mutants() []mutant {
	return []mutant{
		{"anybody may ask", "decide.go", `case !checkName(q.Who.Person):`, `case false:`},
		{"a question without time", "decide.go", `case q.At.IsZero():`, `case false:`},
		{"verbs that do not exist", "decide.go", `case !access.AllVerbs.Has(q.Verb):`, `case false:`},
		{"kinds that do not exist", "decide.go", `case q.Object.Kind > access.Pane:`, `case false:`},
		{"objects of nobody", "decide.go", `case q.Object.Kind >= access.Server && !checkName(q.Object.Owner):`, `case false:`},
		{"impostors", "decide.go", `return s.impostor(q.Who)`, `return ""`},
		{"another uid's person", "decide.go", `case name != who.Person:`, `case false:`},
		{"panes govern", "decide.go", `if byPane(q.Who, q.Verb) {
		return`, `if false {
		return`},
		{"panes hold what governs", "decide.go", `if byPane(who, verb) {
			continue`, `if false {
			continue`},
		{"everybody owns", "decide.go", `o.Kind >= access.Server && o.Owner == person`, `o.Kind >= access.Server`},
		{"owners own the host", "decide.go", `return o.Kind >= access.Server && o.Owner == person`, `return o.Kind == access.Host || o.Owner == person`},
		{"nobody owns", "decide.go", `return o.Kind >= access.Server && o.Owner == person`, `return false`},
		{"answers last for ever", "decide.go", `limit = granted.expires`, `_ = granted.expires`},
		{"the time of day is forgotten", "decide.go", `limit = sooner(limit, at.Add(recheck))`, `_ = recheck`},
		{"permitted by default", "decide.go", `return access.Decision{Rule: Default, Reason: "nothing permits it"}`, `return d`},
		{"permits have no duties", "decide.go", `d.Obligations |= p.duties`, `_ = p.duties`},
		{"grants have no duties", "index.go", `out.duties |= g.duties`, `_ = g.duties`},
		{"forbids do not count", "decide.go", `if d, hit := t.forbidden(res.forbids, &q.Object); hit {`, `if d, hit := t.forbidden(res.forbids, &q.Object); hit && false {`},
		{"other ways are not looked at", "decide.go", `for _, link := range q.Object.Links {`, `for _, link := range q.Object.Links[:0] {`},
		{"only the first other way", "decide.go", `for _, link := range q.Object.Links {`, `for _, link := range q.Object.Links[:min(1, len(q.Object.Links))] {`},
		{"other ways of windows only", "decide.go", `q.Object.Kind >= access.Window {`, `q.Object.Kind == access.Window {`},
		{"other ways are the asked one", "decide.go", `o.Session = link`, `_ = link`},
		{"plain forbids do not count", "decide.go", `if p := &ps[i]; p.policy == nil && p.on.holds(o) {`, `if p := &ps[i]; p.policy == nil && p.on.holds(o) && false {`},
		{"plain forbids lie everywhere", "decide.go", `if p := &ps[i]; p.policy == nil && p.on.holds(o) {`, `if p := &ps[i]; p.policy == nil {`},
		{"forbids that fail do not count", "decide.go", `case len(diag.Errors) > 0:
		return failure(ps, diag.Errors[0]), true`, `case len(diag.Errors) > 0:
		return access.Decision{}, false`},
		{"forbids that hold do not count", "decide.go", `case len(diag.Reasons) > 0:
		ru`, `case false:
		ru`},
		{"permits that fail do not count", "decide.go", `if len(diag.Errors) > 0 {
		return nil,`, `if false {
		return nil,`},
		{"plain permits lie everywhere", "decide.go", `case p.policy == nil && p.on.holds(o):`, `case p.policy == nil:`},
		{"permits of Cedar are lost", "decide.go", `case len(diag.Reasons) > 0 && diag.Reasons[0].PolicyID == p.id:`, `case false:`},
		{"the world of another path", "decide.go", `if t.w == nil || t.w.object.Session != o.Session {`, `if t.w == nil {`},
		{"grants do not run out", "index.go", `case !g.until.IsZero() && !t.Before(g.until):`, `case false:`},
		{"grants last a moment more", "index.go", `!t.Before(g.until):`, `t.After(g.until):`},
		{"grants give every verb", "index.go", `if !g.gives(q.Verb, q.Command) || !g.fits`, `if !g.fits`},
		{"hours do not count", "index.go", `case g.when == nil:`, `default:`},
		{"hours last longer than the grant", "index.go", `return counts, sooner(change, g.until)`, `return counts, change`},
		{"hours last a moment more", "hours.go", `case !end.After(t) ||`, `case end.Before(t) ||`},
		{"what a clock leaves out is looked for", "hours.go", `if !begin.IsZero() && first.Before(begin) {`, `if false {`},
		{"only the first hours count", "hours.go", `for i := range s.hours {
		in`, `for i := range s.hours[:1] {
		in`},
		{"commands need no more", "grants.go", `return g.verbs.Has(access.Type) || g.verbs.Has(access.Execute)`, `return true`},
		{"grants on sessions hold for all", "index.go", `at(place{kind: access.Session, owner: o.Owner, session: o.Session.Name})`,
			`for p := range h.exact { if p.kind == access.Session && p.owner == o.Owner { at(p) } }`},
		{"grants on panes hold for windows", "index.go", `if o.Kind < access.Pane {
		return
	}`, ``},
		{"grants on windows hold for sessions", "index.go", `if o.Kind < access.Window {
		return
	}`, ``},
		{"grants on sessions hold for servers", "index.go", `if o.Kind < access.Session {
		return
	}`, ``},
		{"a beginning is any beginning", "index.go", `session: o.Session.Name[:n]}] {`, `session: o.Session.Name[:min(n, 1)]}] {`},
		{"grants to everybody are lost", "index.go", `add("*")`, `_ = add`},
		{"grants to groups are lost", "index.go", `add("@" + g)`, `_ = g`},
		{"the first limit does not count", "index.go", `if a.IsZero() || !b.IsZero() && b.Before(a) {`, `if a.IsZero() {`},
		{"blind to what is in sessions", "index.go", `r.sessions[on.Session] = true`, `r.sessions[on.Session] = on.Kind == access.Session`},
		{"blind to beginnings of names", "index.go", `if on.Kind < access.Session || on.Prefix {`, `if on.Kind < access.Session {`},
		{"blind to grants on the host", "index.go", `if h.host || o.Kind < access.Server {`, `if h.host && o.Kind < access.Server {`},
		{"blind to permits", "covers.go", `k.applies(p.left) != never {
				return false`, `false {
				return false`},
		{"covers although a forbid may apply", "covers.go", `k.applies(f.left) != never {
			return access.Decision{Rule: f.rule.name()`, `k.applies(f.left) == always {
			return access.Decision{Rule: f.rule.name()`},
		{"covers what may fail", "covers.go", `if usesOf(p.left).fails {`, `if false {`},
		{"covers what is permitted in parts", "covers.go", `case perhaps:
			duties |= p.rule.duties`, `case perhaps:
			everywhere = append(everywhere, p.rule)`},
		{"covers with one verb of many", "covers.go", `if !d.Allow {
			return d
		}`, ``},
		{"covers nothing", "covers.go", `why != "" || verbs == 0 {`, `why != "" {`},
		{"panes cover what governs", "covers.go", `if byPane(q.Who, q.Verb) {`, `if false {`},
		{"everybody has a second factor", "schema.go", `types.Boolean(q.Who.MFA)`, `types.Boolean(true)`},
		{"covers supposes a second factor", "covers.go", `types.Boolean(k.who.MFA)`, `types.Boolean(true)`},
		{"covers without duties of parts", "covers.go", `duties |= p.rule.duties`, `_ = duties`},
		{"givers need not hold it", "given.go", `if !b.holds {`, `if false {`},
		{"givers need not be let share", "given.go", `return g.Verbs.With(access.SetOf(access.Share))`, `return g.Verbs`},
		{"who approved need not be let approve", "given.go", `return g.Verbs.With(access.SetOf(access.Approve))`, `return g.Verbs`},
		{"who gives needs approve alone", "given.go", `if g.Approved {`, `if true {`},
		{"who approved needs share", "given.go", `if g.Approved {`, `if false {`},
		{"the last rule says how many approve", "quorum.go", `max(q.Need, r.need)`, `r.need`},
		{"nobody has to be apart", "quorum.go", `q.Apart || r.apart`, `q.Apart`},
		{"one group of several is enough", "quorum.go", `return fmt.Errorf("who approves this has to be in %s (%s)", g, strings.Join(q.Rules, ", "))`, `continue`},
		{"colleagues approve", "quorum.go", `if !q.Apart {`, `if true {`},
		{"rules do not follow a window", "quorum.go", `for i := -1; i < len(o.Links); i++ {`, `for i := -1; i < 0; i++ {`},
		{"rules on others' servers hold", "quorum.go", `case s.Owner != o.Owner:`, `case false:`},
		{"rules on what an object holds do not", "quorum.go", `kind := min(s.Kind, o.Kind)`, `kind := s.Kind`},
		{"it lasts longer than its giver's", "given.go", `made.until, made.duties, made.givers = sooner(g.Until, b.expires), b.duties, b.givers`,
			`made.duties, made.givers = b.duties, b.givers`},
		{"declarations have no cap", "capped.go", `return declared & most`, `return declared`},
		{"the cap is no cap by itself", "given.go", `made.verbs = s.most(g)`, `_ = g`},
		{"the last rule caps declarations", "declarations.go", `most &= r.most`, `most = r.most`},
		{"all is capped", "declarations.go", `if !g.Declared {`, `if false {`},
		{"by no rule everything is declared", "declarations.go", `most, _ = access.Typist.Verbs()`, `most = access.AllVerbs`},
		{"what is given has no duties", "given.go", `= sooner(g.Until, b.expires), b.duties, b.givers`, `= sooner(g.Until, b.expires), 0, b.givers`},
		{"only the giver is looked at", "given.go", `b.givers = append(b.givers, r.givers...)`, `_ = r.givers`},
		{"another pane at that place", "given.go", `on.Kind >= access.Pane && o.Pane.ID != on.Pane.ID:`, `false:`},
		{"another life of the server", "given.go", `case on.Kind >= access.Session && o.Incarnation != on.Incarnation,`, `case false,`},
		{"before it begins", "index.go", `case t.Before(g.from):`, `case false:`},
		{"nobody learns that it begins", "index.go", `return false, g.from`, `return false, time.Time{}`},
	}
}

// TestMutants makes each mistake and runs the other tests of this package: one
// of them has to notice. At least 95 in a hundred are noticed; those that are
// not are listed. A short run makes the first mistakes only.
func TestMutants(t *testing.T) {
	all := mutants()
	n := soak.N(len(all), 1)
	caught := 0
	for _, m := range all[:n] {
		switch ok, text := m.noticed(t); {
		case ok:
			caught++
		default:
			t.Logf("nobody notices: %s\n%s", m.name, text)
		}
	}
	score := 100 * float64(caught) / float64(n)
	t.Logf("%d of %d mistakes noticed: %.1f %%", caught, n, score)
	if score < 95 {
		t.Errorf("%.1f %% of the mistakes are noticed, want 95 %%", score)
	}
}

// noticed runs the tests with the mistake in the place of the file.
func (m mutant) noticed(t *testing.T) (bool, string) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.is); n == 0 || n > 1 && len(m.is) < 20 {
		t.Fatalf("%s: %q is %d times in %s: the mistake has to be made elsewhere", m.name, m.is, n, m.file)
	}
	dir := t.TempDir()
	wrong := filepath.Join(dir, m.file)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(here, m.file): wrong}})
	if err == nil {
		err = os.WriteFile(wrong, []byte(strings.Replace(string(text), m.is, m.becomes, 1)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-failfast", "-overlay", filepath.Join(dir, "overlay.json"),
		"-skip", "^(TestMutants|TestLargeDirectories|TestManyGrantsCostNothing|TestLikeBombs)$", ".")
	cmd.Env = append(os.Environ(), "MUXWARD_SOAK=")
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && (!errors.As(err, &exit) || ctx.Err() != nil):
		t.Fatalf("%s: %v\n%s", m.name, err, out)
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		t.Fatalf("%s does not build:\n%s", m.name, out)
	}
	return err != nil, string(out)
}
