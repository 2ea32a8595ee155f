package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Somebody wants to be taken for a person whose name only looks like theirs:
// with a capital, a blank, a letter of another alphabet, or one that would end
// a string of the policy language. There is one spelling of a name. All others
// are refused: as accounts at the door, in people and grants, and in revoke,
// where taking them would let the real one stay.
func TestAU07NamesThatLookAlike(t *testing.T) {
	names := []string{
		"Mwcarol", "mwcarol ", "mwсarol", "mwcarol@host", strings.Repeat("c", 300), `"mwcarol"`,
		`User::"mwcarol"`, "mwcarol\n", "", "mwcarol/x", "../mwcarol", "mwcarol\u200b",
	}
	row{teeth: "teeth_names", unlogged: true, gains: 2, attack: func(w *world) {
		for _, name := range names {
			if r := w.Muxward(root, "revoke", name); r.Code == 0 {
				w.gain("%.40q was revoked, whoever that is", name)
			}
			dir := tmuxtest.Dir(w.t, tmuxtest.Account{})
			for file, text := range map[string]string{
				"people.yaml": "people:\n  " + quoted(name) + ": {}\n", "grants.yaml": "grants: []\n",
			} {
				if err := os.WriteFile(dir+"/"+file, []byte(text), 0o644); err != nil {
					w.t.Fatal(err)
				}
			}
			if r := w.Muxward(root, "policy", "check", "--policy", dir); r.Code == 0 {
				w.gain("%.40q became a person of the policy", name)
			}
		}
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

// quoted is a name as YAML writes it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
