package attack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/hostconf/bundle"
	"github.com/muxward/muxward/test/host"
	"golang.org/x/mod/sumdb/note"
)

// yard is a directory of hosts, and a tree that stands for a host, which takes bundles of one
// key.
type yard struct {
	t         *testing.T
	dir, root string
}

func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, dir: t.TempDir(), root: t.TempDir()}
	y.bare(y.root)
	y.muxward("", 0, "host", "init", y.dir+"/hosts", "--me", "alice")
	for _, name := range []string{"ours", "theirs"} {
		y.muxward("", 0, "policy", "bundle", "key", name, y.dir+"/"+name)
	}
	public, err := os.ReadFile(y.dir + "/ours.pub")
	y.must(err)
	y.must(os.WriteFile(y.root+"/etc/muxward/bundle.keys", public, 0o644))
	return y
}

// bare makes a host of a directory that has nothing but accounts: muxward's own is made there.
func (y *yard) bare(root string) {
	y.t.Helper()
	y.must(os.Chmod(root, 0o755))
	y.must(os.MkdirAll(root+"/etc/muxward", 0o755))
	for name, text := range map[string]string{"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n", "shadow": "", "gshadow": ""} {
		y.must(os.WriteFile(root+"/etc/"+name, []byte(text), 0o644))
	}
}

func (y *yard) must(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

// muxward runs a command, with checks taken out, and wants an exit code.
func (y *yard) muxward(out string, code int, args ...string) string {
	y.t.Helper()
	cmd := exec.CommandContext(y.t.Context(), host.Build(y.t, out), args...)
	cmd.Env = append(os.Environ(), host.Without(out)...)
	text, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		y.t.Errorf("muxward %v: exit code %d, want %d:\n%s", args, got, code, text)
	}
	return string(text)
}

// bundle makes one of a grant to a person, as its maker might.
func (y *yard) bundle(name, signer, grantee string, m bundle.Manifest) string {
	y.t.Helper()
	text := fmt.Sprintf("grants:\n  - {who: %s, role: owner, on: alice, reason: bundle}\n", grantee)
	y.must(os.WriteFile(y.dir+"/hosts/policy/grants.yaml", []byte(text), 0o644))
	y.must(os.WriteFile(y.dir+"/hosts/policy/starter.test.yaml", []byte("tests: []\n"), 0o644))
	secret, err := os.ReadFile(y.dir + "/" + signer)
	y.must(err)
	key, err := note.NewSigner(strings.TrimSpace(string(secret)))
	y.must(err)
	data, err := bundle.Create(y.dir+"/hosts", m, key)
	y.must(err)
	at := y.dir + "/" + name
	y.must(os.WriteFile(at, data, 0o644))
	return at
}

// apply has the host take a bundle, and tells whether the grant to somebody has landed.
func (y *yard) apply(out string, code int, file, grantee string, more ...string) (said string, landed bool) {
	y.t.Helper()
	args := append([]string{"host", "apply", "--bundle", file, "--root", y.root, "--host", "web1"}, more...)
	if os.Geteuid() != 0 {
		args = append(args, "--no-owners")
	}
	said = y.muxward(out, code, args...)
	text, err := os.ReadFile(y.root + "/etc/muxward/policy/grants.yaml")
	if err != nil && !os.IsNotExist(err) {
		y.t.Fatal(err)
	}
	return said, strings.Contains(string(text), "who: "+grantee+",")
}

// The attacker is between those who write the policy and the host, and hands it other
// bundles: one that gave bob the right he has lost since, one for another host, one that has
// expired, one of another key, of the same key with a grant changed, without a signature, cut
// off; and one that is signed and is not yet made. None lands. In the control run the check
// is taken out, and each lands that can be read. A rollback is possible by who says so, and is
// written down.
func TestCF05Bundles(t *testing.T) {
	now := time.Now()
	m := func(serial uint64) bundle.Manifest {
		return bundle.Manifest{Name: "prod", Serial: serial, Made: now.Add(-time.Hour), Expires: now.Add(time.Hour), Hosts: []string{"web*"}}
	}
	y := newYard(t)
	older := y.bundle("5", "ours", "bob", m(5))
	good := y.bundle("7", "ours", "carol", m(7))
	elsewhere, expired, early, named := m(8), m(8), m(8), m(1)
	named.Name = "test"
	elsewhere.Hosts = []string{"db1"}
	expired.Made, expired.Expires = now.Add(-2*time.Hour), now.Add(-time.Hour)
	early.Made, early.Expires = now.Add(time.Hour), now.Add(2*time.Hour)
	change := func(name, from string, how func(string) string) string {
		data, err := os.ReadFile(from)
		y.must(err)
		y.must(os.WriteFile(y.dir+"/"+name, []byte(how(string(data))), 0o644))
		return y.dir + "/" + name
	}
	for _, c := range []struct {
		name, file, grantee, want string
		readable                  bool // without the check
	}{
		{"older", older, "bob", "older than what was used", true},
		{"same serial", y.bundle("7b", "ours", "bob", m(7)), "bob", "another bundle with the serial 7", true},
		{"of another name", y.bundle("test", "ours", "bob", named), "bob", "takes bundles of another name (prod), and this one is called test", true},
		{"for another host", y.bundle("db", "ours", "bob", elsewhere), "bob", "it is for other hosts", true},
		{"expired", y.bundle("expired", "ours", "bob", expired), "bob", "it has expired", true},
		{"of tomorrow", y.bundle("early", "ours", "bob", early), "bob", "clock is wrong", true},
		{"another key", y.bundle("theirs.bundle", "theirs", "bob", m(8)), "bob", "not signed by a key that is known", true},
		{"a grant changed", change("changed", good, func(s string) string { return strings.Replace(s, "who: carol,", "who: alice,", 1) }), "alice", "not those that were signed", true},
		{"manifest changed", change("serial", older, func(s string) string { return strings.Replace(s, "serial: 5", "serial: 9", 1) }), "bob", "not signed", false},
		{"unsigned", change("unsigned", older, func(s string) string { i := strings.Index(s, "\n— "); return s[:i] + s[i+60:] }), "bob", "", false},
		{"cut off", change("cut", older, func(s string) string { return s[:len(s)-40] }), "bob", "cut off", false},
	} {
		fresh := newYardLike(y)
		if _, landed := fresh.apply("", 0, good, "carol"); !landed {
			t.Fatal("the good one does not land")
		}
		said, landed := fresh.apply("", 1, c.file, c.grantee)
		if landed || !strings.Contains(said, c.want) {
			t.Errorf("%s: landed %v; want it to say %q:\n%s", c.name, landed, c.want, said)
		}
		if !c.readable {
			continue
		}
		if _, landed := fresh.apply("teeth_bundle", 0, c.file, c.grantee); !landed {
			t.Errorf("control run: %s does not land without the check", c.name)
		}
	}
	if _, landed := y.apply("", 0, good, "carol"); !landed {
		t.Error("the good one does not land")
	}
	if _, landed := y.apply("", 0, older, "bob", "--allow-older", "carol is ill"); !landed {
		t.Error("nobody can go back")
	}
	log, err := os.ReadFile(y.root + "/var/lib/muxward-bundles/log.jsonl")
	if err != nil || !strings.Contains(string(log), `"serial":5`) || !strings.Contains(string(log), "carol is ill") {
		t.Errorf("it is not written down: %v\n%s", err, log)
	}
	y.landsAgain(good, older, y.bundle("9", "ours", "dave, role: no-such-role", m(9)), y.bundle("test2", "ours", "bob", named))
}

// landsAgain has it tried what lands after another one.
func (y *yard) landsAgain(good, older, broken, test string) {
	t := y.t
	t.Helper()
	// One that is refused for what is in it is not the last one: what is on the host can be
	// mended by the one it is from.
	if said, landed := y.apply("", 1, broken, "dave"); landed || !strings.Contains(said, "no-such-role") {
		t.Errorf("a broken one lands:\n%s", said)
	}
	if _, landed := y.apply("", 0, good, "carol"); !landed {
		t.Error("what has not landed keeps what has from landing again")
	}
	log, err := os.ReadFile(y.root + "/var/lib/muxward-bundles/log.jsonl")
	for _, want := range []string{`"outcome":"tried","host":"web1","as":"web1"`, `"outcome":"failed","error":`, `"outcome":"landed"`} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the log does not say %s: %v\n%s", want, err, log)
		}
	}
	other := newYardLike(y)
	other.apply("", 0, good, "carol")
	if _, landed := other.apply("", 0, test, "bob", "--allow-name", "we test"); !landed {
		t.Error("nobody can go over to another name")
	}
	if said, landed := other.apply("", 1, good, "carol"); landed || !strings.Contains(said, "takes bundles of another name (test)") {
		t.Errorf("it takes both:\n%s", said)
	}
	if said, landed := y.apply("", 1, older, "bob"); landed || !strings.Contains(said, "older") {
		t.Errorf("once is for good:\n%s", said)
	}
}

// newYardLike is another host that takes the same key.
func newYardLike(y *yard) *yard {
	y.t.Helper()
	z := &yard{t: y.t, dir: y.dir, root: y.t.TempDir()}
	y.bare(z.root)
	keys, err := os.ReadFile(filepath.Join(y.root, "etc/muxward/bundle.keys"))
	y.must(err)
	y.must(os.WriteFile(z.root+"/etc/muxward/bundle.keys", keys, 0o644))
	return z
}
