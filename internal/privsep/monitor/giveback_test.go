package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep/holder"
)

// whole is all that is in the state directory and beside it: path, owner, mode.
func whole(t *testing.T, s *setting) string {
	t.Helper()
	var out strings.Builder
	for _, dir := range []string{s.config.State, s.keyDir()} {
		must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			var st unix.Stat_t
			if err := errors.Join(err, unix.Lstat(path, &st)); err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s %d:%d %o\n", strings.TrimPrefix(path, s.config.State), st.Uid, st.Gid, st.Mode)
			return nil
		}))
	}
	return out.String()
}

// killed does something that is killed before its n-th step, and reports whether it was.
func killed(t *testing.T, s *setting, n int, do func(*setting) error) (was bool) {
	t.Helper()
	defer func() {
		s.step = nil
		if was = recover() != nil; was {
			return
		}
	}()
	s.step = func(string) {
		if n--; n < 0 {
			panic("killed")
		}
	}
	must(t, do(s))
	return false
}

// What was handed over comes back as it was, with the keys and the journals, and goes again. It does so,
// too, if it is killed before any of its steps: the next start as the account, or the next
// giving back, goes on, and no key is lost or left to the account.
func TestGiveBack(t *testing.T) {
	s := stateBed(t)
	must(t, os.Mkdir(s.keyDir(), 0o700))
	roots := whole(t, s)
	must(t, prepare(s))
	theirs := whole(t, s)
	must(t, giveBack(s))
	if got := whole(t, s); got != roots {
		t.Errorf("it was\n%s\nand came back as\n%s", roots, got)
	}
	steps := 0
	for {
		ended := 0
		if !killed(t, s, steps, prepare) {
			ended++
		} else if key := uidOf(t, keyOf(t, s)); key != 0 {
			t.Fatalf("killed before step %d the key is uid %d's", steps, key)
		}
		must(t, prepare(s))
		if got := whole(t, s); got != theirs {
			t.Fatalf("killed before step %d it is handed over as\n%s, not\n%s", steps, got, theirs)
		}
		if !killed(t, s, steps, giveBack) {
			ended++
		} else if steps%2 == 0 { // or it is left, and handed over once more
			must(t, prepare(s))
			if got := whole(t, s); got != theirs {
				t.Fatalf("killed before step %d it is handed over again as\n%s, not\n%s", steps, got, theirs)
			}
		}
		must(t, giveBack(s))
		if got := whole(t, s); got != roots {
			t.Fatalf("killed before step %d it is given back as\n%s, not\n%s", steps, got, roots)
		}
		if ended == 2 {
			break
		}
		steps++
	}
	openToNobody(t)
	if steps < 8 {
		t.Errorf("there were only %d steps to be killed at", steps)
	}
}

// keyOf is where the key is, of two places.
func keyOf(t *testing.T, s *setting) string {
	t.Helper()
	for _, dir := range []string{s.config.State, s.keyDir()} {
		if _, err := os.Lstat(filepath.Join(dir, holder.CheckpointFile)); err == nil {
			return filepath.Join(dir, holder.CheckpointFile)
		}
	}
	t.Fatal("the key is lost")
	return ""
}

// Whoever had the account has left something: a link, another name of root's file, a key of
// theirs, what everybody may write to; or still runs. Nothing of it becomes root's word, and
// nothing else is touched.
func TestGiveBackRefuses(t *testing.T) {
	for want, plant := range map[string]func(s *setting) error{
		"neither a file": func(s *setting) error { return os.Symlink(s.config.File, s.config.State+"/audit/zz") },
		"names":          func(s *setting) error { return os.Link(s.config.File, s.config.State+"/audit/zz") },
		"a key": func(s *setting) error {
			at := s.config.State + "/" + holder.HostFile
			return errors.Join(os.WriteFile(at, nil, 0o600), os.Chown(at, mwUID, mwUID))
		},
		"nothing of muxward's": func(s *setting) error { return os.WriteFile(s.config.State+"/.profile", nil, 0o644) },
	} {
		refuses(t, want, plant)
	}
	s := stateBed(t)
	must(t, prepare(s), os.Chmod(s.config.State+"/audit/x", 0o666), os.Chmod(s.config.State+"/audit", 0o777), giveBack(s))
	for path, want := range map[string]fs.FileMode{"/audit/x": 0o644, "/audit": 0o755} {
		if st, err := os.Stat(s.config.State + path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
	}
	refuses(t, "open for writing", func(s *setting) error { // by a process of another account, to which it was passed
		f, err := os.OpenFile(s.config.State+"/audit/x", os.O_WRONLY, 0)
		t.Cleanup(func() { _ = f.Close() })
		return err
	})
	refuses(t, "runs as mw", func(s *setting) error {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.account.UID, Gid: s.account.GID}}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd.Start()
	})
}

// Where muxward serves, and journals of `muxward sockets`, are no word of root's because the account has
// written them; what a writer that was killed has left is in nobody's way.
func TestGiveBackPutsAside(t *testing.T) {
	s := stateBed(t)
	must(t, prepare(s))
	for _, name := range []string{servingFile, "sockets.jsonl", "sockets.jsonl-20261101", ".denials-123"} {
		at := s.config.State + "/" + name
		must(t, os.WriteFile(at, []byte("theirs"), 0o644), os.Chown(at, mwUID, mwUID))
	}
	must(t, giveBack(s))
	for name, want := range map[string]string{servingFile: "", "sockets.jsonl": "{}\n", "sockets.jsonl.1.gz": "", "sockets.jsonl-20261101": "",
		"sockets.jsonl" + given: "theirs", "sockets.jsonl-20261101" + given: "theirs", ".denials-123": "theirs"} {
		got, err := os.ReadFile(s.config.State + "/" + name)
		if string(got) != want || err != nil && want != "" {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	at := s.config.State + "/sockets.jsonl"
	must(t, prepare(s), os.WriteFile(at, []byte("theirs again"), 0o644), os.Chown(at, mwUID, mwUID), giveBack(s))
	for name, want := range map[string]string{"sockets.jsonl": "{}\n", "sockets.jsonl" + given: "theirs", "sockets.jsonl" + given + "-2": "theirs again"} {
		if got, err := os.ReadFile(s.config.State + "/" + name); string(got) != want {
			t.Errorf("the second time %s has %q, %v", name, got, err)
		}
	}
	must(t, prepare(s)) // what was put aside is in nobody's way
}

func refuses(t *testing.T, want string, plant func(*setting) error) {
	t.Helper()
	s := stateBed(t)
	must(t, prepare(s), plant(s))
	before := whole(t, s)
	if err := giveBack(s); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v", want, err)
	}
	if got := whole(t, s); got != before {
		t.Errorf("%s: something was changed:\n%s\n%s", want, before, got)
	}
}

// openToNobody gives back what everybody may write to, killed at each step: at none of them
// others may write to something of root's.
func openToNobody(t *testing.T) {
	t.Helper()
	for steps := 0; ; steps++ {
		s := stateBed(t)
		must(t, prepare(s), os.Chmod(s.config.State+"/audit", 0o777), os.Chmod(s.config.State+"/audit/x", 0o666))
		was := killed(t, s, steps, giveBack)
		for _, name := range []string{"/audit", "/audit/x"} {
			var st unix.Stat_t
			must(t, unix.Lstat(s.config.State+name, &st))
			if st.Uid == 0 && st.Mode&0o022 != 0 {
				t.Errorf("killed before step %d %s is root's, and of mode %04o", steps, name, st.Mode&0o7777)
			}
		}
		if !was {
			return
		}
	}
}
