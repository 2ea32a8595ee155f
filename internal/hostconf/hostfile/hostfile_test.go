package hostfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"

	"github.com/muxward/muxward/internal/hostconf"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/policy/starter"
)

// pack is the package's files.
func pack() string { return "../../../packaging" }

// A directory whose files say everything, for a host of a group and for one of none: what
// is read, and what is made of it.
func TestGolden(t *testing.T) {
	for _, name := range []string{"web1", "plain"} {
		f, err := Load("testdata/full", name, false)
		if err != nil {
			t.Fatal(err)
		}
		present := Present{
			Files:  map[string]hostconf.Seen{environment: {Content: "EDITOR=vi", Owner: "0", Group: "0", Mode: 0o640}},
			Policy: []string{"grants.yaml", "left.grants.yaml", "notes.txt"},
		}
		s, err := Render(f, present, os.DirFS(pack()))
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "layers %v\n", f.Layers)
		for _, i := range s.Items {
			fmt.Fprintf(&b, "\n%s %s %s%s %s:%s %o\n%s\n", i.ID, i.Kind, i.Path, i.Name, i.Owner, i.Group, i.Mode, i.Why)
			if i.Kind == hostconf.File && !strings.HasPrefix(i.Path, unitDir+"/muxward-sockets") && i.ID != idPAM {
				b.WriteString("    " + strings.ReplaceAll(strings.TrimSuffix(i.Content, "\n"), "\n", "\n    ") + "\n")
			}
		}
		at := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(at, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(at)
		if err != nil || string(want) != b.String() {
			t.Errorf("%s differs (%v); look at it with -update:\n%s", at, err, b.String())
		}
	}
}

// What lies over what: mappings key by key, lists whole, later over earlier.
func TestLayers(t *testing.T) {
	f, err := Load("testdata/full", "web1", false)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := f.Host.Tmux.Lock, (Lock{After: 900, Command: "vlock", Key: "X"}); got != want {
		t.Errorf("the lock is %+v, want %+v", got, want)
	}
	if f.Host.Tmux.Update == nil || len(f.Host.Tmux.Update) != 0 || !reflect.DeepEqual(f.Host.Serve.Accounts, []string{"carol"}) {
		t.Errorf("lists were joined: %v, %v", f.Host.Tmux.Update, f.Host.Serve.Accounts)
	}
	if f.Host.Tmux.Clipboard != "external" || f.Host.Serve.SSH.KeysUser != "muxward-keys" || f.Host.Serve.Doors != "/run/muxward/doors" {
		t.Errorf("what nothing lies over is gone: %+v", f.Host)
	}
	for at, want := range map[string]string{
		"tmux.lock.after": "groups/web.yaml:2", "tmux.lock.command": "hosts/web1.yaml:3", "tmux.lock.key": "host.yaml:13", "serve.accounts": "hosts/web1.yaml:2",
	} {
		if got := f.From(at); got != want {
			t.Errorf("%s is from %q, want %q", at, got, want)
		}
	}
}

// base is a directory with files over a smallest host.yaml.
func base(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"host.yaml": "schema: 1\n"}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// psql is a profile.
const psql = "command: [/usr/bin/psql]\naccount: t\nrun_as: a\nwho: [bob]\n"

// profileFile is one with a file of its own.
func profileFile(name, text string) map[string]string {
	return map[string]string{"profiles/" + name + ".yaml": text}
}

// What is wrong in files is told with its place and what to do.
func TestMistakes(t *testing.T) {
	own := func(text string) map[string]string { return map[string]string{"hosts/h.yaml": text} }
	top := func(text string) map[string]string { return map[string]string{"host.yaml": "schema: 1\n" + text} }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"unknown", top("tmx: {}\n"), `host.yaml:2:1: unknown key "tmx" in the file (did you mean tmux?)`},
		{"deep", top("tmux:\n  lock:\n    aftr: 3\n"), `host.yaml:4:5: unknown key "aftr" in tmux.lock (did you mean after?)`},
		{"of serve", top("serve:\n  ssh: {lsten: x}\n"), `host.yaml:3:9: unknown key "lsten" in serve.ssh (did you mean listen?)`},
		{"in a group", map[string]string{"hosts/h.yaml": "groups: [g]\n", "groups/g.yaml": "\npm: true\n"}, `groups/g.yaml:2:1: unknown key "pm" in the file (did you mean pam?)`},
		{"no group", own("groups: [web]\n"), "hosts/h.yaml:1:10: groups.0: there is no groups/web.yaml"},
		{"group outside", own("groups: [../x]\n"), `hosts/h.yaml:1:10: groups.0: "../x" is no name of a group`},
		{"groups of all", top("groups: [web]\n"), "host.yaml:2:9: groups: it stands in hosts/NAME.yaml"},
		{"schema elsewhere", own("schema: 1\n"), "hosts/h.yaml:1:9: schema: it stands in host.yaml alone"},
		{"schema of later", map[string]string{"host.yaml": "schema: 2\n"}, "host.yaml:1:9: schema: is 2; this muxward reads 1"},
		{"no schema", map[string]string{"host.yaml": "pam: true\n"}, "host.yaml:1:1: schema: is 0"},
		{"empty", map[string]string{"host.yaml": ""}, "host.yaml:1:1: schema: is 0"},
		{"tabs", top("tmux:\n\tclipboard: off\n"), "host.yaml:3:1: not YAML"},
		{"twice", top("pam: true\npam: false\n"), `host.yaml:3:1: "pam" is given twice, first in line 2`},
		{"alias", top("linger: {allow: &a [x], deny: *a}\n"), "host.yaml:2:17: anchors are not read"},
		{"merge", top("tmux: {<<: {clipboard: on}}\n"), "host.yaml:2:8: a key must be a plain word"},
		{"tag", top("pam: !!str true\n"), "host.yaml:2:6: the tag !!str is not read"},
		{"no value", top("pam:\n"), `host.yaml:2:1: "pam" says nothing (leave the key out)`},
		{"word", top("tmux: {clipboard: external1}\n"), `host.yaml:2:19: tmux.clipboard must be one of off, external, on, not "external1" (did you mean external?)`},
		{"control", top("policy: {directory: \"a\\e[2J\"}\n"), "U+001B, which does not print"},
		{"not UTF-8", top("policy: {directory: \xff}\n"), "host.yaml:1:1: not UTF-8"},
		{"bomb", top(strings.Repeat("[", 20000)), "host.yaml"},
		{"mapping", top("tmux: [1]\n"), "host.yaml:2:7: tmux must be a mapping (key: value), not a list"},
		{"policy outside", top("policy: {directory: ../p}\n"), `host.yaml:2:21: policy.directory: "../p" is no directory beside host.yaml`},
		{"no policy", top("policy: {directory: p}\n"), "host.yaml:2:21: policy.directory: there is no p"},
		{"tmux outside", top("tmux: {files: [/etc/x.conf]}\n"), "host.yaml:2:16: tmux.files.0"},
		{"no tmux", top("tmux: {files: [x.conf]}\n"), "tmux.files.0: there is no x.conf"},
		{"user mode", top("serve: {user: true}\n"), "host.yaml:2:15: serve.user"},
		{"relative", top("serve: {state: var}\n"), "host.yaml:2:16: serve.state"},
		{"specifier", top("serve: {state: /var/%h}\n"), "host.yaml:2:16: serve.state"},
		{"lend nothing", top("sshd: {lend: true}\n"), "host.yaml:2:14: sshd.lend: needs serve: ssh: keys_user"},
		{"lock root out", top("sshd: {attach: [root]}\n"), "host.yaml:2:17: sshd.attach.0: root would be locked out"},
		{"a line for sshd", top("sshd: {attach: [\"x\\n\"]}\n"), "which does not print"},
		{"mend nothing", top("units: {sockets_mend: [MW-S001]}\n"), "units.sockets_mend: says what the watch mends"},
		{"both", top("linger: {allow: [a], deny: [a]}\n"), "host.yaml:2:29: linger.deny.0: a is allowed to, too"},
		{"path", top("linger: {allow: [../a]}\n"), `"../a" is no name of an account`},
		{"attach alone", top("attach: [{who: bob, role: viewer, on: alice, reason: x}]\n"), "attach: needs policy: directory"},
		{"attach half", top("attach: [{who: bob}]\n"), `host.yaml:2:10: attach.0: has no "role"`},
		{"profile", top("profiles: {x: {command: [psql], account: t, run_as: a, who: [bob]}}\n"), `"psql" is no absolute path`},
		{"profile of a file", profileFile("build", "command: [psql]\naccount: t\nrun_as: a\nwho: [bob]\n"), `profiles/build.yaml:1:10: profiles.build.command: "psql" is no absolute path`},
		{"a key of it", profileFile("build", "\ncomand: [/p]\n"), `profiles/build.yaml:2:1: unknown key "comand" in profiles.build (did you mean command?)`},
		{"half of it", profileFile("build", "command: [/p]\n"), "profiles/build.yaml:1:1: profiles.build: has to say command, account, run_as and who"},
		{"no mapping of it", profileFile("build", "- x\n"), "profiles/build.yaml:1:1: profiles.build must be a mapping (key: value), not a list"},
		{"nothing of it", profileFile("build", "# later\n"), "profiles/build.yaml:1:1: says nothing (remove it, or call it build.yaml.example)"},
		{"no YAML of it", profileFile("build", "\twho: [bob]\n"), "profiles/build.yaml:1:1: not YAML"},
		{"a name of it", profileFile("Build", psql), "profiles/Build.yaml:1:1: profiles.Build: is no name of a profile"},
		{"an end of it", map[string]string{"profiles/build.yml": psql}, "profiles/build.yml:1:1: is no file of a profile, and looks like one (profiles are NAME.yaml)"},
		{"a directory of it", map[string]string{"profiles/more/build.yaml": psql}, "profiles/more:1:1: is a directory, in which no profile is read"},
		{"in two places", map[string]string{"profiles/x.yaml": psql, "host.yaml": "schema: 1\nprofiles:\n  x: {account: t}\n"},
			"profiles/x.yaml:1:1: the profile x stands in host.yaml as well, in line 3 (leave one of them out)"},
		{"in two places of a group", map[string]string{"groups/g/profiles/x.yaml": psql, "groups/g.yaml": "profiles: {x: {account: t}}\n", "hosts/h.yaml": "groups: [g]\n"},
			"groups/g/profiles/x.yaml:1:1: the profile x stands in groups/g.yaml as well, in line 1"},
		{"a key of a group's", map[string]string{"groups/g/profiles/x.yaml": "wo: [bob]\n", "groups/g.yaml": "", "hosts/h.yaml": "groups: [g]\n", "profiles/x.yaml": psql},
			`groups/g/profiles/x.yaml:1:1: unknown key "wo" in profiles.x (did you mean who?)`},
		{"a host's, and no host", map[string]string{"hosts/h/profiles/x.yaml": psql}, "there is hosts/h and no hosts/h.yaml"},
		{"half of all", map[string]string{"profiles/x.yaml": "command: [/p]\n", "hosts/h.yaml": "profiles: {x: {account: t}}\n"}, "profiles/x.yaml:1:1: profiles.x: has to say"},
		{"one account of two", map[string]string{"profiles/x.yaml": psql, "profiles/y.yaml": psql}, "profiles/y.yaml:2:10: profiles.y.account: t is that of the profile x (give each tmux an account of its own)"},
		{"another's account", top("profiles:\n  x: {command: [/p], account: t, run_as: a, who: [bob]}\n  y: {command: [/p], account: u, run_as: t, who: [bob]}\n"), "profiles.y.run_as: t is that of the profile x"},
		{"muxward's account", top("serve: {account: t}\nprofiles: {x: {command: [/p], account: u, run_as: t, who: [bob]}}\n"), "profiles.x.run_as: t is what muxward runs as"},
		{"an isolated server's", top("serve: {isolated: {x: {account: i, run_as: a}}}\nprofiles: {x: {command: [/p], account: i, run_as: a, who: [bob]}}\n"), "profiles.x: is the name of an isolated server, too"},
		{"profile loads", top("profiles: {x: {command: [/p], account: t, run_as: a, who: [bob], environment: {LD_PRELOAD: /x}}}\n"), "profiles.x.environment.LD_PRELOAD: is no name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(base(t, c.files), "h", false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// What is wrong with a secret is told without it: it may stand where its file should be named.
func TestMistakesOfSecrets(t *testing.T) {
	for _, text := range []string{
		"secrets: {PGPASSWORD: 4711}\n", "secrets: {PGPASSWORD: s4711}\n", "secrets: {s4711: /x}\n", "secrets: {s-4711: /x}\n", "secrets: s4711\n",
		"secrets: {PGPASSWORD: *s4711}\n", "secrets: {PGPASSWORD: [s4711]}\n", "secrets: {PGPASSWORD: !s4711 x}\n", "secrets: {s-4711: /x, s-4711: /y}\n",
	} {
		_, err := Load(base(t, profileFile("x", psql+text)), "h", false)
		if named := text == "secrets: {s4711: /x}\n"; (err == nil) != named || err != nil && (strings.Contains(err.Error(), "4711") || !strings.Contains(err.Error(), "profiles/x.yaml:5:")) {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

// A profile lies over that of its name as everything does: fleet, group, host, each in a file or under the key.
func TestProfileLayers(t *testing.T) {
	other := strings.Replace(psql, "account: t", "account: z", 1)
	dir := base(t, map[string]string{
		"profiles/x.yaml": psql + "environment: {A: \"1\", B: \"1\"}\n", "profiles/x.yaml.example": "nonsense: 1\n", "profiles/README": "no: profile\n",
		"groups/g.yaml": "profiles: {x: {environment: {B: \"2\"}}}\n", "hosts/h.yaml": "groups: [g]\n", "hosts/h/profiles/x.yaml": "who: [carol]\n",
		"groups/other.yaml": "", "groups/other/profiles/y.yaml": psql, "profiles/z.yaml": other,
	})
	if err := os.Symlink("somebody@host.4711", filepath.Join(dir, "profiles/.#z.yaml")); err != nil { // an editor's lock
		t.Fatal(err)
	}
	f, err := Load(dir, "h", false)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]config.Profile{
		"x": {Command: []string{"/usr/bin/psql"}, Account: "t", As: "a", Who: []string{"carol"}, Environment: map[string]string{"A": "1", "B": "2"}},
		"z": {Command: []string{"/usr/bin/psql"}, Account: "z", As: "a", Who: []string{"bob"}},
	}
	if !reflect.DeepEqual(f.Host.Profiles, want) {
		t.Errorf("profiles are %+v, want %+v", f.Host.Profiles, want)
	}
	if got := fmt.Sprint(f.Layers); got != "[host.yaml profiles/x.yaml profiles/z.yaml groups/g.yaml hosts/h.yaml hosts/h/profiles/x.yaml]" {
		t.Errorf("layers are %s", got)
	}
	if got := f.From("profiles.x.who"); got != "hosts/h/profiles/x.yaml:1" {
		t.Errorf("who is from %s", got)
	}
}

// What logins may not be given from here: it would run things in everybody's shell.
func TestEnvironmentOfLogins(t *testing.T) {
	for _, c := range [][2]string{
		{"PATH", "/x"}, {"LD_PRELOAD", "/x"}, {"LD_LIBRARY_PATH", "/x"}, {"BASH_ENV", "/x"}, {"ENV", "/x"}, {"PROMPT_COMMAND", "x"},
		{"TMUX_TMPDIR", "/tmp/x"}, {"TMUX_TMPDIR", "/run/muxward/doors"}, {"TMUX", "/x"}, {"MUXWARD_TEETH", "decide"}, {"MUXWARD_FAILPOINTS", "/x"},
		{"EDITOR", "/x"}, {"LANG", "$(x)"}, {"LANG", "`x`"}, {"LANG", "x y"}, {"LANG", ""}, {"LANG", "a'b"}, {"TZ", "%h"}, {"LC-ALL", "C"}, {"lc_all", "C"},
	} {
		text := fmt.Sprintf("schema: 1\nenvironment: {profile_d: true, set: {%s: %q}}\n", c[0], c[1])
		if _, err := Load(base(t, map[string]string{"host.yaml": text}), "h", false); err == nil || !strings.Contains(err.Error(), "host.yaml:2:") {
			t.Errorf("%s=%s: error %v, want one with its place", c[0], c[1], err)
		}
	}
	for _, place := range []string{"doors: /tmp/x", "state: /var/tmp/x", "policy: /dev/shm/p", "doors: /tmp"} {
		if _, err := Load(base(t, map[string]string{"host.yaml": "schema: 1\nserve: {" + place + "}\n"}), "h", false); err == nil || !strings.Contains(err.Error(), "everybody may write to") {
			t.Errorf("%s: error %v", place, err)
		}
	}
	for _, place := range []string{"policy: /etc/netplan", "policy: /etc", "policy: /etc/muxward", "doors: /run/doors", "doors: /srv", "doors: /run/muxward", "state: /var/lib", "state: /etc"} {
		if _, err := Load(base(t, map[string]string{"host.yaml": "schema: 1\nserve: {" + place + "}\n"}), "h", false); err == nil || !strings.Contains(err.Error(), "things of others") {
			t.Errorf("%s: error %v", place, err)
		}
	}
	text := "schema: 1\nenvironment: {profile_d: true, set: {LANG: C.UTF-8, LC_ALL: C, TZ: Europe/Berlin, MUXWARD_STATE: /var/lib/m}}\n"
	if _, err := Load(base(t, map[string]string{"host.yaml": text}), "h", false); err != nil {
		t.Error(err)
	}
}

// A host that has no file is none, where others have one.
func TestWhichHost(t *testing.T) {
	dir := base(t, map[string]string{"hosts/web1.yaml": "# nothing\n"})
	if _, err := Load(dir, "web1", false); err != nil {
		t.Error(err)
	}
	if _, err := Load(dir, "wbe1", false); err == nil || !strings.Contains(err.Error(), "did you mean web1?") {
		t.Errorf("error %v", err)
	}
	for _, name := range []string{"", "..", "a/b", ".x", "a b"} {
		if _, err := Load(dir, name, false); err == nil {
			t.Errorf("%q is taken for a host", name)
		}
	}
	if _, err := Load(t.TempDir(), "x", false); err == nil || !strings.Contains(err.Error(), "muxward host init") {
		t.Errorf("error %v", err)
	}
}

// Files that others may change, or that lead out of the directory, are not applied.
func TestOthersFiles(t *testing.T) {
	good := base(t, map[string]string{"policy/people.yaml": "people: {}\n", "tmux/a.conf": "", "host.yaml": "schema: 1\npolicy: {directory: policy}\ntmux: {files: [tmux/a.conf]}\n"})
	if _, err := Load(good, "h", true); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".", "host.yaml", "policy", "policy/people.yaml", "tmux", "tmux/a.conf"} {
		at := filepath.Join(good, name)
		info, err := os.Stat(at)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(at, info.Mode().Perm()|0o002)
		if _, err := Load(good, "h", true); !errors.Is(err, ErrOpen) {
			t.Errorf("%s open for all: error %v", name, err)
		}
		_ = os.Chmod(at, info.Mode().Perm()|0o020)
		if os.Geteuid() == 0 {
			if err := os.Chown(at, 0, 4242); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(good, "h", true); !errors.Is(err, ErrOpen) {
				t.Errorf("%s open for a group: error %v", name, err)
			}
			_ = os.Chown(at, 0, 0)
		}
		_ = os.Chmod(at, info.Mode().Perm())
	}
	if os.Geteuid() == 0 {
		for _, c := range []struct {
			mode uint32
			want bool
		}{{0o777, false}, {0o1777, true}, {0o755, true}} {
			up := filepath.Dir(good)
			if err := unix.Chmod(up, c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(good, "h", true); (err == nil) != c.want {
				t.Errorf("below a directory of mode %o: %v", c.mode, err)
			}
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(good, "policy", "x.cedar")); err != nil {
		t.Fatal(err)
	}
	if f, err := Load(good, "h", false); err == nil {
		t.Errorf("what lies outside was read: %q", f.Policy["x.cedar"])
	}
}

// Whose a sticky directory on the way is may put another one in the place of what is in it.
func TestStickyWay(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "directories of others are root's to make")
	}
	good := base(t, map[string]string{"host.yaml": "schema: 1\n"})
	up := filepath.Dir(good)
	if err := errors.Join(unix.Chmod(up, 0o1755), os.Chown(up, 4242, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(good, "h", true); err == nil || !strings.Contains(err.Error(), "belongs to uid 4242") {
		t.Errorf("error %v", err)
	}
}

// A symlink of somebody's on the way leads where they like, also one that another symlink leads over.
func TestSymlinkOnTheWay(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "symlinks of others are root's to make")
	}
	good := base(t, map[string]string{"host.yaml": "schema: 1\n"})
	at := t.TempDir()
	theirs := filepath.Join(at, "theirs")
	if err := errors.Join(os.Symlink(good, theirs), os.Symlink("theirs", filepath.Join(at, "ours"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(at, "ours"), "h", true); err != nil {
		t.Errorf("while all is ours: %v", err)
	}
	if err := os.Lchown(theirs, 4242, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(at, "ours"), "h", true); err == nil || !strings.Contains(err.Error(), "theirs belongs to uid 4242") {
		t.Errorf("error %v", err)
	}
}

// A group that is its owner's alone may write, as where everybody has one and a umask by that.
func TestFilesOfAGroup(t *testing.T) {
	good := base(t, map[string]string{"host.yaml": "schema: 1\n"})
	mine := accounts.System().Alone()(uint32(os.Geteuid()), uint32(os.Getegid()))
	for _, at := range []string{good, filepath.Join(good, "host.yaml"), filepath.Dir(good)} {
		if err := errors.Join(os.Chown(at, -1, os.Getegid()), os.Chmod(at, 0o775)); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(good, "h", true); (err == nil) != mine || err != nil && !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v, and the group is ours alone: %v", at, err, mine)
		}
	}
}

// The files may be those of who calls sudo, and of nobody else.
func TestFilesOfWhoCallsSudo(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "files of others are root's to make")
	}
	good := base(t, map[string]string{"host.yaml": "schema: 1\n"})
	if err := errors.Join(os.Chown(good, 4242, 4242), os.Chown(filepath.Join(good, "host.yaml"), 4242, 4242)); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[string]string{"4242": "", "": "belongs to uid 4242", "4243": "belongs to uid 4242", "x": "belongs to uid 4242"} {
		t.Setenv("SUDO_UID", uid)
		if _, err := Load(good, "h", true); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("SUDO_UID=%s: %v", uid, err)
		}
	}
}

// A symlink in the directory leads only where nobody else could put something.
func TestSymlinkInside(t *testing.T) {
	for _, link := range []struct{ at, to, open string }{
		{"policy/grants.yaml", "../shared/grants.yaml", "shared"},
		{"policy", "far/policy", "far"},
		{"none", "far/none", "far"}, // the list is of somebody else's making, too
		{"hosts", "far/hosts", "far"},
	} {
		dir := "policy"
		if link.at == "none" {
			dir = link.at
		}
		good := base(t, map[string]string{"policy/people.yaml": "people: {}\n", "policy/grants.yaml": "grants: []\n", "hosts/h.yaml": "{}\n", "none/readme": "", "host.yaml": "schema: 1\npolicy: {directory: " + dir + "}\n"})
		if _, err := Load(good, "h", true); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(good, filepath.Dir(link.at), link.to)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(filepath.Join(good, link.at), to), os.Symlink(link.to, filepath.Join(good, link.at))); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(good, "h", true); err != nil {
			t.Errorf("%s, while nobody else can change where it leads: %v", link.at, err)
		}
		if err := os.Chmod(filepath.Join(good, link.open), 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(good, "h", true); !errors.Is(err, ErrOpen) || !strings.Contains(err.Error(), "/"+link.open+":") {
			t.Errorf("%s leads through a directory of everybody's: %v", link.at, err)
		}
	}
}

// An access list of a file counts, whether that is read through a symlink or not.
func TestAccessListBehindSymlink(t *testing.T) {
	good := base(t, map[string]string{"policy/people.yaml": "people: {}\n", "shared/grants.yaml": "grants: []\n", "host.yaml": "schema: 1\npolicy: {directory: policy}\n"})
	shared := filepath.Join(good, "shared/grants.yaml")
	list := []byte{2, 0, 0, 0}
	for _, e := range [][2]byte{{0x01, 6}, {0x02, 6}, {0x04, 4}, {0x10, 6}, {0x20, 4}} { // the second is user 1's (linux/posix_acl_xattr.h)
		id := byte(0xff)
		if e[0] == 0x02 {
			id = 0
		}
		list = append(list, e[0], 0, e[1], 0, 1|id, id, id, id)
	}
	err := unix.Setxattr(shared, "system.posix_acl_access", list, 0)
	if errors.Is(err, unix.ENOTSUP) {
		tmuxtest.Skip(t, "this file system has no access lists")
	}
	if err := errors.Join(err, os.Symlink("../shared/grants.yaml", filepath.Join(good, "policy/grants.yaml"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(good, "h", true); !errors.Is(err, ErrOpen) {
		t.Errorf("error %v", err)
	}
	if err := unix.Removexattr(shared, "system.posix_acl_access"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(good, "h", true); err != nil {
		t.Errorf("without: %v", err)
	}
}

// What a policy would refuse, or would not read, is not left out of it without a word: a forbid
// that nobody reads permits.
func TestPolicyNames(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"stop.CEDAR", "policy/stop.CEDAR is no policy file, and looks like one"}, {"rules.yml", "policy/rules.yml is no policy file"},
		{"other.yaml", "policy/other.yaml is no policy file"}, {"more/f.cedar", "policy/more is a directory"},
		{"README", ""}, {"f.cedar", ""}, {".old/f.cedar", ""}, {"x.test.yaml", ""},
	} {
		dir := base(t, map[string]string{"policy/people.yaml": "people: {}\n", "policy/" + c.name: "forbid(principal, action, resource);\n",
			"host.yaml": "schema: 1\npolicy: {directory: policy}\n"})
		f, err := Load(dir, "h", false)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err == nil && (c.name == "f.cedar") != (f.Policy["f.cedar"] != "") {
			t.Errorf("%s: %q", c.name, f.Policy)
		}
	}
}

// Only muxward's own lines of a file change.
func TestBlock(t *testing.T) {
	for _, c := range []struct{ text, lines, want string }{
		{"", "", ""},
		{"", "a\n", blockBegin + "\na\n" + blockEnd + "\n"},
		{"x", "a\n", "x\n" + blockBegin + "\na\n" + blockEnd + "\n"},
		{"x\n" + blockBegin + "\na\n" + blockEnd + "\ny\n", "b\n", "x\n" + blockBegin + "\nb\n" + blockEnd + "\ny\n"},
		{"x\n" + blockBegin + "\na\n" + blockEnd + "\ny\n", "", "x\ny\n"},
		{"x\ny", "", "x\ny"},
	} {
		if got, err := block(c.text, c.lines); err != nil || got != c.want {
			t.Errorf("%q with %q: %q, %v", c.text, c.lines, got, err)
		}
	}
	for _, text := range []string{blockBegin + "\na\n", "x" + blockBegin + "\na\n" + blockEnd + "\n", strings.Repeat(blockBegin+"\n"+blockEnd+"\n", 2)} {
		if got, err := block(text, "a\n"); err == nil {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// What init writes is good, for any host, and its policy passes its tests.
func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "hosts")
	written, err := Write(dir, "alice", "alice", 1000)
	if err != nil || !slices.Contains(written, "host.yaml") || !slices.Contains(written, ".github/workflows/muxward.yaml") {
		t.Fatal(written, err)
	}
	f, err := Load(dir, "any", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Render(f, Present{}, os.DirFS(pack())); err != nil {
		t.Error(err)
	}
	set, err := policy.Load(filepath.Join(dir, "policy"))
	if err != nil {
		t.Fatal(err)
	}
	if cases, err := policy.LoadCases(filepath.Join(dir, "policy"), set); err != nil || len(cases) == 0 {
		t.Errorf("%d tests, %v", len(cases), err)
	}
	for _, name := range []string{"prod-psql", "prod-shell", "build-box"} {
		if f.Host.Profiles[name].Account != "" {
			t.Errorf("the example %s counts", name)
		}
		at := filepath.Join(dir, "profiles", name+".yaml")
		if err := os.Rename(at+".example", at); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := Load(dir, "any", false); err != nil || len(f.Host.Profiles) != 3 {
		t.Errorf("the examples of profiles: %v", err)
	}
	if _, err := Write(dir, "alice", "alice", 1000); !errors.Is(err, starter.ErrNotEmpty) {
		t.Errorf("written twice: %v", err)
	}
}

// As which account muxward runs: what is said, else what the host has, else its own. The account is
// made where muxward setup has not.
func TestAccount(t *testing.T) {
	for _, c := range []struct {
		said    string
		present Present
		want    string
		made    bool
	}{
		{"", Present{}, "muxward", true},
		{"", Present{Served: true}, "", false},
		{"", Present{Served: true, Account: "mw"}, "mw", true},
		{"", Present{Served: true, Account: "mw", Accounts: []string{"mw"}}, "mw", false},
		{"account: other", Present{Served: true, Account: "mw"}, "other", true},
		{`account: ""`, Present{Served: true, Account: "mw"}, "", false},
		{`account: ""`, Present{}, "", false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/host.yaml", []byte("schema: 1\nlogrotate: true\nserve:\n  doors: /run/muxward/doors\n  "+c.said+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Load(dir, "any", false)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Render(f, c.present, os.DirFS(pack()))
		if err != nil {
			t.Fatal(err)
		}
		made := false
		for _, it := range s.Items {
			made = made || it.Kind == hostconf.Account
			switch it.Path {
			case serveFile:
				if conf, err := config.Parse(serveFile, []byte(it.Content)); err != nil || conf.Account != c.want {
					t.Errorf("%+v: %v, %v", c, conf.Account, err)
				}
			case "/etc/logrotate.d/muxward":
				if strings.Contains(it.Content, "/muxward-keys/sockets.jsonl") != (c.want != "") {
					t.Errorf("%+v: root writes in the account's directory, or rotates nothing:\n%s", c, it.Content)
				}
			}
		}
		if made != c.made {
			t.Errorf("%+v: the account is made: %v", c, made)
		}
	}
}

// Whatever is in a file: an error, or values.
func FuzzHostFile(f *testing.F) {
	for _, name := range []string{"files/host.yaml", "testdata/full/host.yaml", "testdata/full/hosts/web1.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "tmux: {clipboard: on}")
		f.Add(string(data), psql)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		r := newReader()
		n := r.merge(r.parse("one", []byte(one)), r.parse("two", []byte(two)))
		if p := r.parse("profiles/x.yaml", []byte(two)); p != nil { // the same, as the file of a profile
			all, top := r.made("profiles/x.yaml", yaml.MappingNode), r.made("profiles/x.yaml", yaml.MappingNode)
			all.Content = []*yaml.Node{r.key("profiles/x.yaml", "x"), p}
			top.Content = []*yaml.Node{r.key("profiles/x.yaml", profilesKey), all}
			n = r.merge(n, top)
		}
		if n == nil {
			return
		}
		var h Host
		r.value(n, reflect.ValueOf(&h).Elem(), "", false)
		found := &Found{Name: "h", Host: h}
		found.check(r)
		if r.err() == nil {
			if _, err := json.Marshal(found.Host); err != nil {
				t.Error(err)
			}
		}
	})
}
