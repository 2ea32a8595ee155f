package profiles

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/config"
)

const good = `# sessions
profiles:
  prod-psql:
    command: [/usr/bin/psql, service=prod]
    account: mw-prod
    run_as: psql
    directory: /srv
    environment: {PGHOST: db1}
    secrets: {PGPASSWORD: /etc/muxward/secrets/prod}
    who: ["@dba", bob]
    role: owner
    shared: true
    shell: true
    about: the database
`

func TestParse(t *testing.T) {
	all, err := Parse("p.yaml", []byte(good))
	want := map[string]config.Profile{"prod-psql": {Command: []string{"/usr/bin/psql", "service=prod"}, Account: "mw-prod", As: "psql", Directory: "/srv",
		Environment: map[string]string{"PGHOST": "db1"}, Secrets: map[string]string{"PGPASSWORD": "/etc/muxward/secrets/prod"}, Who: []string{"@dba", "bob"},
		Role: "owner", Shared: true, Shell: true, About: "the database", Line: 3}}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, %v", all, err)
	}
	for _, text := range []string{"", "# nothing\n", "profiles: {}\n"} {
		if all, err := Parse("p.yaml", []byte(text)); err != nil || len(all) != 0 {
			t.Errorf("%q: %+v, %v", text, all, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct{ text, want string }{
		{change("profiles:", "profile:"), `p.yaml:2:1: unknown key "profile" in the file (did you mean profiles?)`},
		{change("    who:", "    whoo:"), `p.yaml:10:5: unknown key "whoo" in the profile prod-psql (did you mean who?)`},
		{change("prod-psql:", "Prod:"), "p.yaml:3:3: the profile Prod is no name"},
		{change("prod-psql:", "9p:"), "is no name of a profile"},
		{change("    account: mw-prod\n", ""), "p.yaml:3:3: the profile prod-psql has to say command, account, run_as and who"},
		{change("[/usr/bin/psql, ", "[psql, "), `p.yaml:4:14: command "psql" is no absolute path`},
		{change("[/usr/bin/psql, service=prod]", "/usr/bin/psql"), "p.yaml:4:14: command must be a list, not a text"},
		{change("run_as: psql", "run_as: mw-prod"), "account is run_as, too"},
		{change("run_as: psql", "run_as: 'a b'"), `p.yaml:6:13: run_as "a b" is no name of an account`},
		{change("/srv", "srv"), `directory "srv" is no absolute path`},
		{change("PGHOST", "LD_PRELOAD"), "p.yaml:8:19: environment.LD_PRELOAD is no name that a session is given"},
		{change("PGHOST", "PGPASSWORD"), "secrets.PGPASSWORD is in environment, too"},
		{change("PGPASSWORD:", "BASH_ENV:"), "secrets.BASH_ENV is no name"},
		{change("/etc/muxward/secrets/prod", "hunter2"), "p.yaml:9:15: secrets.PGPASSWORD is no absolute path of a file (put the value into a file that only root can read"},
		{change("PGPASSWORD:", "hunter2 is it:"), "p.yaml:9:15: a name in secrets is no name that a session is given"},
		{change("{PGPASSWORD:", "{hunter2: /a, hunter2:"), "p.yaml:9:28: secrets has a key or a value that is none, or a key twice"},
		{change("/etc/muxward/secrets/prod", "!hunter2 x"), "p.yaml:9:27: secrets has a key or a value that is none"},
		{change("/etc/muxward/secrets/prod", "*hunter2"), "unknown anchor, and none are read"},
		{change("{PGPASSWORD: /etc/muxward/secrets/prod}", "hunter2"), "p.yaml:9:14: secrets must be a mapping (key: value), not a text"},
		{change("role: owner", "role: viewer"), `role "viewer" is none for those who start a profile`},
		{change("shared: true", "shared: yes"), "p.yaml:12:13: shared must be true or false"},
		{change("bob]", "Bob]"), `who "Bob" is no name of a person`},
		{change("bob]", "*x]"), "unknown anchor"},
		{change("    about:", "    shared: false\n    about:"), `"shared" is given twice, first in line 12`},
		{"profiles: [a]\n", "p.yaml:1:11: profiles must be a mapping"},
		{"profiles: {\n", "p.yaml:"},
		{"\xff", "not UTF-8"},
	} {
		_, err := Parse("p.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a mistake tells what may be a secret: %v", err)
		}
	}
}

// A file that others than root, and we, could write is not believed.
func TestReadRootsAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Error(err)
	}
	if _, err := Read(filepath.Dir(file)); err == nil {
		t.Error("a directory was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("profiles: {a: {command: [/x], account: a, run_as: b, who: [c]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Parse("p", data)
		if err != nil {
			return
		}
		for name, p := range all {
			Check(name, p, func(key, _, format string, args ...any) {
				t.Errorf("%q is taken, and is wrong: %s "+format, append([]any{name, key}, args...)...)
			})
		}
	})
}
