package hostconf

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// bed is a tree that stands for a host.
type bed struct {
	t    *testing.T
	root string
	opt  Options
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, root: memory(t)}
	b.must(os.Chmod(b.root, 0o755))
	b.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsomebody:x:1000:1000::/home/somebody:/bin/sh\n", 0o644)
	b.write("etc/group", "root:x:0:\nsomebody:x:1000:\n", 0o644)
	b.write("etc/shadow", "root:*:1::::::\n", 0o600)
	b.write("etc/gshadow", "root:*::\n", 0o600)
	b.write("etc/login.defs", "SYS_UID_MIN 100\nSYS_UID_MAX 999\nSYS_GID_MIN 100\nSYS_GID_MAX 999\n", 0o644)
	b.opt = Options{Root: b.root, NoOwners: os.Geteuid() != 0}
	return b
}

// memory is a directory that is synced at once, if there is one: some tests sync a thousand
// times.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "hostconf")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is seen in /dev/shm
	return dir
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) at(path string) string { return filepath.Join(b.root, path) }

func (b *bed) write(path, text string, mode uint32) {
	b.t.Helper()
	b.must(os.MkdirAll(filepath.Dir(b.at(path)), 0o755))
	b.must(os.WriteFile(b.at(path), []byte(text), 0o600))
	b.must(unix.Chmod(b.at(path), mode))
}

func (b *bed) read(path string) string {
	b.t.Helper()
	data, err := os.ReadFile(b.at(path))
	b.must(err)
	return string(data)
}

// snapshot is all that there is, except records, backups of shadow's programs, and times.
func (b *bed) snapshot() string {
	b.t.Helper()
	var out []string
	b.must(filepath.WalkDir(b.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, b.root)
		if rel == DefaultRecords {
			return filepath.SkipDir
		}
		if base := filepath.Base(rel); strings.HasSuffix(base, "-") || base == ".pwd.lock" || rel == "/etc/subuid" || rel == "/etc/subgid" || rel == "/var" || rel == "/var/lib" || rel == fakeSystemd+"/calls" {
			return nil
		}
		var st unix.Stat_t
		b.must(unix.Lstat(path, &st))
		line := fmt.Sprintf("%s %o %d:%d", rel, st.Mode, st.Uid, st.Gid)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			line += fmt.Sprintf(" %q", b.read(rel))
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			b.must(err)
			line += " -> " + target
		}
		out = append(out, line)
		return nil
	}))
	return strings.Join(out, "\n")
}

// whole has one of each kind.
func whole() State {
	return State{Set: "setup", Items: []Item{
		{ID: "T1", Kind: Account, Name: "mw", Comment: "for tests", Home: "/var/lib/mw", Why: "to own things"},
		{ID: "T2", Kind: Directory, Path: "/etc/mw", Mode: 0o755, Why: "a directory"},
		{ID: "T3", Kind: Directory, Path: "/srv/mw/state", Mode: 0o700, Owner: "mw", Group: "mw", Why: "a directory of the account"},
		{ID: "T4", Kind: File, Path: "/etc/mw/new.conf", Mode: 0o644, Content: "new\n", Why: "a new file"},
		{ID: "T5", Kind: File, Path: "/etc/mw.conf", Mode: 0o640, Group: "mw", Content: "a\nchanged\nc\n", Why: "a file that is there"},
		{ID: "T6", Kind: File, Path: "/etc/mw/once", Mode: 0o600, Once: true, Content: "ours\n", Why: "a file for people to change"},
		{ID: "T7", Kind: Link, Path: "/etc/mw/link", Target: "new.conf", Why: "a link"},
		{ID: "T8", Kind: Absent, Path: "/etc/old.conf", Why: "it says what is not so"},
		{ID: "T9", Kind: Service, Name: "mw.service", Why: "it serves"},
	}}
}

func (b *bed) furnish() {
	b.write("etc/mw.conf", "a\nb\nc\n", 0o664)
	b.write("etc/old.conf", "old\n", 0o604)
}

func (b *bed) plan(s State) Plan {
	b.t.Helper()
	p, err := Compare(context.Background(), Just(s), b.opt)
	b.must(err)
	return p
}

func (b *bed) apply(s State) Result {
	b.t.Helper()
	r, err := Apply(context.Background(), Just(s), b.opt)
	b.must(err)
	return r
}

func (p Plan) brief() string {
	var out []string
	for _, c := range p.Changes {
		line := string(c.Do) + " " + c.Item.key()
		for _, d := range c.Differs {
			line += " " + d.What
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// An apply does all that a plan says; a second one does nothing; undo has what was there,
// and so has a state with nothing in it.
func TestApplyAndBack(t *testing.T) {
	for _, how := range []string{"undo", "empty"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t)
			if b.opt.NoOwners {
				tmuxtest.Skip(t, "accounts are root's to make")
			}
			b.furnish()
			before := b.snapshot()
			p := b.plan(whole())
			want := `make account mw missing
make /etc/mw missing
make /srv missing
make /srv/mw missing
make /srv/mw/state missing
change /etc/mw.conf content group mode
make /etc/mw/new.conf missing
make /etc/mw/once missing
make /etc/mw/link missing
remove /etc/old.conf present
not applicable service mw.service`
			if strings.ReplaceAll(p.brief(), "account account", "account") != want || !p.Drift() {
				t.Fatalf("plan:\n%s\nwant:\n%s", p.brief(), want)
			}
			if now := b.snapshot(); now != before {
				t.Fatalf("a plan changed something:\n%s", now)
			}
			r := b.apply(whole())
			if r.Number != 1 || len(r.Done) != 10 || len(r.Left) != 1 {
				t.Errorf("apply: %d, %d done, %d left", r.Number, len(r.Done), len(r.Left))
			}
			after := b.snapshot()
			if p := b.plan(whole()); p.Drift() || p.Same != 8 {
				t.Errorf("after it, plan says\n%s, same %d", p.brief(), p.Same)
			}
			if r := b.apply(whole()); r.Number != 0 || len(r.Done) != 0 || b.snapshot() != after {
				t.Errorf("a second apply did %+v", r)
			}
			if b.read("etc/mw.conf") != "a\nchanged\nc\n" || !strings.Contains(b.read("etc/passwd"), "mw:x:") {
				t.Error("it is not as it should be")
			}
			if how == "undo" {
				r, err := Undo(context.Background(), "setup", b.opt)
				b.must(err)
				if len(r.Left) > 0 || len(r.Done) != 10 {
					t.Errorf("undo left %+v, did %d", r.Left, len(r.Done))
				}
			} else {
				b.apply(State{Set: "setup"})
				if done, err := Forget(b.opt, "setup"); err != nil || !done {
					t.Errorf("forget: %v, %v", done, err)
				}
			}
			if now := b.snapshot(); now != before {
				t.Errorf("it is not as before:\n%s\nbut\n%s", before, now)
			}
			if _, err := os.Stat(b.at(DefaultRecords)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("records are left: %v", err)
			}
			if _, err := Undo(context.Background(), "setup", b.opt); !errors.Is(err, ErrNothing) {
				t.Errorf("a second undo: %v", err)
			}
		})
	}
}

// What people have changed is kept, and named.
func TestKeepsWhatPeopleChanged(t *testing.T) {
	for _, how := range []string{"undo", "empty"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t)
			b.furnish()
			s := whole()
			s.Items = slices.DeleteFunc(s.Items, func(it Item) bool { return it.Kind == Account || it.Owner == "mw" || it.Group == "mw" })
			b.apply(s)
			b.write("etc/mw/once", "theirs\n", 0o600)
			b.write("etc/mw/theirs", "theirs\n", 0o600)
			if p := b.plan(s); p.Drift() {
				t.Errorf("the content of a file that is made once is people's:\n%s", p.brief())
			}
			b.must(os.Chmod(b.at("etc/mw/once"), 0o644))
			if p := b.plan(s); !strings.Contains(p.brief(), "change /etc/mw/once mode") {
				t.Errorf("its mode is not:\n%s", p.brief())
			}
			b.apply(s)
			if b.read("etc/mw/once") != "theirs\n" {
				t.Error("what people wrote is lost")
			}
			var r Result
			var err error
			if how == "undo" {
				_, err = Undo(context.Background(), "setup", b.opt)
				b.must(err)
				r, err = Undo(context.Background(), "setup", b.opt)
				b.must(err)
			} else {
				r = b.apply(State{Set: "setup"})
			}
			left := map[string]bool{}
			for _, c := range r.Left {
				left[c.Item.Path] = c.Reason != ""
			}
			if !left["/etc/mw/once"] || !left["/etc/mw"] || len(r.Left) != 2 {
				t.Errorf("left: %+v", r.Left)
			}
			if b.read("etc/mw/once") != "theirs\n" || b.read("etc/mw/theirs") != "theirs\n" || b.read("etc/old.conf") != "old\n" {
				t.Error("it is not as it should be")
			}
			if _, err := os.Lstat(b.at("etc/mw/new.conf")); err == nil {
				t.Error("what nobody changed is still there")
			}
		})
	}
}

// A check that does not hold leaves everything as it is; so does ill health, afterwards.
func TestChecksAndHealth(t *testing.T) {
	b := newBed(t)
	b.furnish()
	s := whole()
	s.Items = slices.DeleteFunc(s.Items, func(it Item) bool { return it.Kind == Account || it.Owner == "mw" || it.Group == "mw" })
	before := b.snapshot()
	bad := errors.New("bad")
	b.opt.Checks = []Check{{Name: "the file", Run: func(_ context.Context, tree string) error {
		text, err := os.ReadFile(tree + "/etc/mw/new.conf")
		if err != nil || string(text) != "new\n" {
			t.Errorf("the check reads %q, %v", text, err)
		}
		return bad
	}}}
	if _, err := Apply(context.Background(), Just(s), b.opt); !errors.Is(err, bad) || b.snapshot() != before {
		t.Errorf("%v\n%s", err, b.snapshot())
	}
	b.opt.Checks = nil
	b.opt.Health = func(context.Context, []Change) error {
		if b.snapshot() == before {
			t.Error("health is asked for too early")
		}
		return bad
	}
	if _, err := Apply(context.Background(), Just(s), b.opt); !errors.Is(err, bad) || b.snapshot() != before {
		t.Errorf("%v\n%s", err, b.snapshot())
	}
	if p := b.plan(s); p.Broken != nil {
		t.Errorf("it is still open: %+v", p.Broken)
	}
}

// A check hears of what the host will not have any more, and not of what comes back in its place.
func TestChecksHearWhatGoes(t *testing.T) {
	b := newBed(t)
	b.furnish()
	s := State{Set: "setup", Items: []Item{
		{ID: "T1", Kind: File, Path: "/etc/mw.conf", Mode: 0o644, Content: "ours\n", Why: "a file that is there"},
		{ID: "T2", Kind: File, Path: "/etc/new.conf", Mode: 0o644, Content: "ours\n", Why: "a new file"},
		{ID: "T3", Kind: File, Path: "/etc/stays.conf", Mode: 0o644, Content: "ours\n", Why: "another"},
	}}
	b.apply(s)
	var heard []string
	b.opt.Checks = []Check{{Name: "x", Without: func(_ context.Context, _ string, gone []string) error {
		heard = gone
		return nil
	}}}
	s.Items = append(s.Items[2:], Item{ID: "T4", Kind: Absent, Path: "/etc/old.conf", Why: "it says what is not so"})
	b.apply(s)
	slices.Sort(heard)
	if !slices.Equal(heard, []string{"/etc/new.conf", "/etc/old.conf"}) || b.read("etc/mw.conf") != "a\nb\nc\n" {
		t.Errorf("heard of %q; what is back: %q", heard, b.read("etc/mw.conf"))
	}
}

// One apply at a time.
func TestOneAtATime(t *testing.T) {
	b := newBed(t)
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Why: "it"}}}
	b.opt.Health = func(ctx context.Context, _ []Change) error {
		o := b.opt
		o.Health = nil
		if _, err := Apply(ctx, Just(s), o); !errors.Is(err, ErrBusy) {
			t.Errorf("a second apply beside it: %v", err)
		}
		p, err := Compare(ctx, Just(s), o)
		if err != nil || p.Broken == nil || !p.Broken.Running || p.Broken.Moved != 1 {
			t.Errorf("a plan beside it: %+v, %v", p.Broken, err)
		}
		return nil
	}
	b.apply(s)
	if r, err := Apply(context.Background(), Just(State{Set: "b", Items: s.Items}), b.opt); err == nil || !strings.Contains(err.Error(), "muxward a") {
		t.Errorf("what another set has made: %+v, %v", r, err)
	}
}

// What cannot be applied is said before anything moves.
func TestBlocked(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(b *bed)
		want string
	}{
		{"symlink", func(b *bed) { b.must(os.Symlink("passwd", b.at("etc/mw.conf"))) }, "symlink to passwd"},
		{"directory", func(b *bed) { b.must(os.Mkdir(b.at("etc/mw.conf"), 0o755)) }, "a directory where a file belongs"},
		{"fifo", func(b *bed) { b.must(unix.Mkfifo(b.at("etc/mw.conf"), 0o600)) }, "something else than a file"},
		{"way", func(b *bed) { b.must(os.Symlink("/tmp", b.at("etc/mw"))) }, "symlink"},
		{"large", func(b *bed) { b.write("etc/mw.conf", strings.Repeat("x", MaxContent+1), 0o644) }, "larger than"},
		{"open", func(b *bed) { b.must(os.Chmod(b.at("etc"), 0o777)) }, "writable for others"},
		{"sticky", func(b *bed) { b.must(unix.Chmod(b.at("etc"), 0o1777)) }, "writable for others"},
		{"written by others", func(b *bed) { b.write("etc/mw/once", "x", 0o602) }, "written by others"},
		{"absent directory", func(b *bed) { b.must(os.Mkdir(b.at("etc/old.conf"), 0o755)) }, "a directory where nothing is to be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			c.do(b)
			s := whole()
			s.Items = slices.DeleteFunc(s.Items, func(it Item) bool { return it.Kind == Account || it.Owner == "mw" || it.Group == "mw" })
			s.Items = append(s.Items, Item{ID: "T", Kind: File, Path: "/etc/mw.conf", Mode: 0o644, Why: "it"})
			before := b.snapshot()
			p, err := Compare(context.Background(), Just(s), b.opt)
			if err == nil && (len(p.Blocked()) == 0 || !strings.Contains(fmt.Sprint(p.Blocked()), c.want)) {
				t.Errorf("plan:\n%s %+v", p.brief(), p.Blocked())
			}
			_, err = Apply(context.Background(), Just(s), b.opt)
			if err == nil || !strings.Contains(err.Error(), c.want) || b.snapshot() != before {
				t.Errorf("apply: %v", err)
			}
		})
	}
}

// What is to be absent for good does not come back when no state names it any more.
func TestFinal(t *testing.T) {
	b := newBed(t)
	b.write("etc/left.conf", "x\n", 0o644)
	for _, s := range []State{
		{Set: "test", Items: []Item{{ID: "T1", Kind: Absent, Path: "/etc/left.conf", Why: "it counts", Final: true}}},
		{Set: "test"},
	} {
		if _, err := Apply(t.Context(), Just(s), b.opt); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(b.at("etc/left.conf")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there: %v", err)
		}
	}
	if _, err := Undo(t.Context(), "test", b.opt); err != nil || b.read("etc/left.conf") != "x\n" {
		t.Errorf("undo does not put it back: %v", err)
	}
}

// A directory of the state that everybody may write to is put right first, and what is in it
// after that. One that the state does not have is not written through.
func TestOpenDirectory(t *testing.T) {
	for _, c := range []struct {
		name string
		have bool
	}{{"of the state", true}, {"of others", false}} {
		b := newBed(t)
		b.write("etc/d/x.conf", "theirs\n", 0o644)
		b.must(unix.Chmod(b.at("etc/d"), 0o777))
		s := State{Set: "test", Items: []Item{{ID: "T2", Kind: File, Path: "/etc/d/x.conf", Content: "ours\n", Mode: 0o644, Why: "it counts"},
			{ID: "T3", Kind: Absent, Path: "/etc/d/y.conf", Why: "it counts"}}}
		if c.have {
			s.Items = append(s.Items, Item{ID: "T1", Kind: Directory, Path: "/etc/d", Mode: 0o755, Why: "it is ours"})
		}
		b.write("etc/d/y.conf", "left\n", 0o644)
		before := b.snapshot()
		_, err := Apply(t.Context(), Just(s), b.opt)
		if (err == nil) != c.have {
			t.Errorf("%s: error %v", c.name, err)
		}
		if !c.have {
			if b.snapshot() != before {
				t.Errorf("%s: it was changed", c.name)
			}
			continue
		}
		info, err := os.Stat(b.at("etc/d"))
		b.must(err)
		if _, gone := os.Lstat(b.at("etc/d/y.conf")); info.Mode().Perm() != 0o755 || b.read("etc/d/x.conf") != "ours\n" || !errors.Is(gone, fs.ErrNotExist) {
			t.Errorf("%s: it was not mended: %v, %v", c.name, info.Mode(), gone)
		}
		if _, err := Undo(t.Context(), "test", b.opt); err != nil || b.snapshot() != before {
			t.Errorf("%s: undo does not put it back: %v\n%s", c.name, err, b.snapshot())
		}
	}
}

// A check whose time is over has ended when the apply is back: what it does late would come after
// what is done about its error.
func TestCheckLate(t *testing.T) {
	b := newBed(t)
	b.furnish()
	before := b.snapshot()
	var ended atomic.Bool
	b.opt.Patience = 10 * time.Millisecond
	b.opt.Checks = []Check{{Name: "a slow one", Run: func(ctx context.Context, tree string) error {
		<-ctx.Done()
		for range 100 {
			_ = os.WriteFile(tree+"/late", []byte("late"), 0o600) // the tree may be gone, if this is not waited for
		}
		ended.Store(true)
		return nil
	}}}
	s := whole()
	s.Items = s.Items[1:2]
	_, err := Apply(t.Context(), Just(s), b.opt)
	if !errors.Is(err, context.DeadlineExceeded) || !ended.Load() {
		t.Errorf("apply: %v; the check has ended: %v", err, ended.Load())
	}
	if now := b.snapshot(); now != before {
		t.Errorf("something has changed:\n%s", now)
	}
}
