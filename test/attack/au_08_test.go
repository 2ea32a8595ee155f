package attack

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// isAlice reports whether somebody was taken for alice. Her server is not had by that alone: another check
// keeps it from who has her name and not her account, and says so.
func isAlice(r host.Result) bool { return r.Code == 0 || strings.Contains(r.Err, "is not mwalice's") }

// switchboard builds a module of the name service switch that does what files of a directory
// say, and gives what has a program ask it first.
func switchboard(t *testing.T) (dir string, change func(*exec.Cmd)) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	libs, _ := filepath.Glob("/lib/*/libnss_compat.so.2")
	if err != nil || len(libs) == 0 {
		tmuxtest.Skip(t, "needs gcc and the C library's module compat, whose place another takes")
	}
	dir = tmuxtest.Dir(t, tmuxtest.Account{})
	module, conf := dir+"/libnss_compat.so.2", dir+"/nsswitch.conf"
	out, err := exec.CommandContext(t.Context(), gcc, "-shared", "-fPIC", "-w", "-DDIR=\""+dir+"\"", "-o", module, "testdata/nss.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(conf, []byte("passwd: compat [UNAVAIL=return] files\ngroup: files\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/nsswitch.conf && mount --bind "$2" "$3" && shift 3 && exec "$@"`,
			"sh", conf, module, libs[0]}, cmd.Args...)
		cmd.Path = "/usr/bin/unshare"
	}
}

// The host asks a directory which account a number is, and the directory does not answer, or
// fails, or says that everybody is alice. Who is known by the host's own files is served all the
// same, and is nobody else; muxward asks nothing else. The control run asks the directory. This is F-22, too: neither the
// name service nor DNS is asked about people.
func TestAU08DirectoryHangsOrLies(t *testing.T) {
	t.Parallel()
	dir, change := switchboard(t)
	say := func(what string) {
		t.Helper()
		for _, n := range []string{"hangs", "fails", "lies"} {
			_ = os.Remove(dir + "/" + n) // it may not be there
		}
		if what == "" {
			return
		}
		now := time.Now()
		if err := errors.Join(os.WriteFile(dir+"/"+what, nil, 0o644), os.Chtimes("/etc/passwd", now, now)); err != nil { // that of the tests alone
			t.Fatal(err)
		}
	}
	row{teeth: "teeth_files", change: change, unlogged: true, restless: true, gains: 2, attack: func(w *world) {
		defer say("")
		id := exec.Command("id")
		change(id) // the module is asked by whoever asks the system
		id.Args = append(id.Args[:len(id.Args)-1], "getent", "passwd", "54321")
		say("lies")
		if out, err := tmuxtest.Output(id); err != nil || len(out) < 7 || out[:7] != "mwalice" {
			w.t.Fatalf("the module is not asked: %v: %s", err, out)
		}
		// What was known before counts for half a minute, but not when the files have changed.
		for _, name := range []string{"secret", "mwalice/secret"} { // hers, if she is alice
			if r := w.Tmux(stranger, "has-session", "-t", name); isAlice(r) {
				w.gain("lies: mallory is alice: %+v", r)
				break
			}
		}
		say("hangs")
		if r := w.Tmux(viewer, "has-session", "-t", "mwalice/shared"); r.Code != 0 {
			w.gain("hangs: bob is not served: %+v", r)
		}
		if w.control {
			return
		}
		for _, what := range []string{"hangs", "fails", "lies"} {
			say(what)
			for who, name := range map[string]string{owner: "shared", viewer: "mwalice/shared", typist: "mwalice/shared"} {
				if r := w.Tmux(who, "has-session", "-t", name); r.Code != 0 {
					w.gain("%s: %s is not served: %+v", what, who, r)
				}
			}
			if r := w.Tmux(stranger, "has-session", "-t", "mwalice/secret"); isAlice(r) {
				w.gain("%s: mallory is alice: %+v", what, r)
			}
		}
	}}.run(t)
}
