package attack

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Somebody wants to be taken for a person whose name only looks like theirs:
// with a capital, a blank, a letter of another alphabet, or one that would end
// a string of the policy language. There is one spelling of a name. All others
// are refused: as accounts at the door, in people, groups, grants and rules, and
// in revoke, where taking them would let the real one stay.
func TestAU07NamesThatLookAlike(t *testing.T) {
	names := []string{
		"Mwcarol", "mwcarol ", "mwсarol", "mwcarol@host", strings.Repeat("c", 300), `"mwcarol"`,
		`User::"mwcarol"`, "mwcarol\n", "", "mwcarol/x", "../mwcarol", "mwcarol\u200b",
	}
	row{teeth: "teeth_names", unlogged: true, gains: 20, attack: func(w *world) {
		for _, name := range names {
			if r := w.Muxward(root, "revoke", name); r.Code == 0 {
				w.gain("%.40q was revoked, whoever that is", name)
			}
		}
		w.namedInPolicies(names)
		for _, name := range []string{"Mwcarol", "mwcarol ", "mwсarol", "mwcarol@host", `User::"mwcarol"`} {
			if strings.Contains(name, ":") {
				continue // no account can be called that
			}
			w.accounts(func(passwd string) string {
				return strings.Replace(passwd, "mwmallory:x:61004", name+":x:61004", 1)
			})
			if r := w.as(61004, "tmux", "has-session", "-t", "mwalice/shared"); r.Code == 0 {
				w.gain("the account %q was taken for carol", name)
			}
			w.accounts(func(passwd string) string { return strings.Replace(passwd, name+":x:61004", "mwmallory:x:61004", 1) })
		}
	}}.run(t)
}

// namedInPolicies writes names into each place of a policy that takes one: as
// persons, as groups, in grants, in rules; first where the name is nobody's,
// then where it is somebody's of the same policy.
func (w *world) namedInPolicies(names []string) {
	w.t.Helper()
	const carol = "people:\n  mwcarol: {}\n"
	for _, name := range names {
		q, cedar := quoted(name), strconv.Quote(name)
		both := carol + "  " + q + ": {}\n"
		grant := func(who, on string) string {
			return "grants:\n  - {who: " + who + ", role: viewer, on: " + on + ", reason: looks like carol}\n"
		}
		for place, files := range map[string]map[string]string{
			"a person":               {"people.yaml": both},
			"a group":                {"people.yaml": carol + "groups:\n  " + q + ": [mwcarol]\n"},
			"a member":               {"people.yaml": carol + "groups:\n  all: [" + q + "]\n"},
			"who is granted":         {"grants.yaml": grant(q, "mwcarol/x")},
			"the group granted":      {"grants.yaml": grant(quoted("@"+name), "mwcarol/x")},
			"whose session":          {"grants.yaml": grant("mwcarol", quoted(name+"/x"))},
			"who a rule permits":     {"more.cedar": "permit (principal == Person::" + cedar + ", action, resource);\n"},
			"who a rule forbids":     {"more.cedar": "forbid (principal, action, resource) when { principal == Person::" + cedar + " };\n"},
			"the group of a rule":    {"more.cedar": "permit (principal in Group::" + cedar + ", action, resource);\n"},
			"the session of a rule":  {"more.cedar": "permit (principal, action, resource in Session::" + strconv.Quote(name+"/x") + ");\n"},
			"a granted person":       {"people.yaml": both, "grants.yaml": grant(q, quoted(name+"/x"))},
			"a person of a rule":     {"people.yaml": both, "more.cedar": "permit (principal == Person::" + cedar + ", action, resource);\n"},
			"a member who is listed": {"people.yaml": both + "groups:\n  all: [mwcarol, " + q + "]\n"},
		} {
			r := w.check(files)
			if name == "mwcarol/x" && strings.Contains(place, "session") {
				continue // carol may well call one x/x
			}
			if r.Code == 0 {
				w.gain("%.40q became %s", name, place)
			}
			unescaped(w.t, place, r.Out+r.Err)
		}
	}
	good := map[string]string{"people.yaml": carol + "groups:\n  all: [mwcarol]\n",
		"grants.yaml": "grants:\n  - {who: \"@all\", role: viewer, on: mwcarol/x, reason: good}\n",
		"more.cedar":  "permit (principal == Person::\"mwcarol\", action, resource in Session::\"mwcarol/x\");\n"}
	if r := w.check(good); r.Code != 0 {
		w.t.Errorf("carol's own name is refused: %+v", r)
	}
}

// check has muxward check a policy of these files; people.yaml and grants.yaml
// are there in any case.
func (w *world) check(files map[string]string) host.Result {
	w.t.Helper()
	dir := tmuxtest.Dir(w.t, tmuxtest.Account{})
	all := map[string]string{"people.yaml": "people:\n  mwcarol: {}\n", "grants.yaml": "grants: []\n"}
	maps.Copy(all, files)
	for file, text := range all {
		if err := os.WriteFile(dir+"/"+file, []byte(text), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.Muxward(root, "policy", "check", "--policy", dir)
}

// quoted is a name as YAML writes it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
