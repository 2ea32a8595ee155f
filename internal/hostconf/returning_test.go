package hostconf

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// accountState is a system account that comes to write /srv/mw, which others make.
func accountState(home string) State {
	return State{Set: "a", Items: []Item{{ID: "T", Kind: Account, Name: "mw", Comment: "ours", Home: home, State: "/srv/mw", Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o600, Content: "new\n", Why: "it"}}}
}

// An account stays while it has things where it writes, which are in no record, however an apply is taken
// back. The control run has nothing there, and it goes.
func TestUndoLeavesAccountOfState(t *testing.T) {
	for _, home := range []string{"/srv/mw", ""} { // an earlier muxward's was its state
		for _, has := range []bool{true, false} {
			b := newBed(t)
			if b.opt.NoOwners {
				tmuxtest.Skip(t, "accounts are root's to make")
			}
			s := accountState(home)
			if home != "" {
				s.Items[0].State = ""
			}
			b.apply(s)
			uid, err := AccountOf("mw", b.opt)
			b.must(err)
			b.must(os.MkdirAll(b.at("srv/mw"), 0o755))
			if has {
				b.write("srv/mw/log", "theirs\n", 0o600)
				b.must(os.Chown(b.at("srv/mw/log"), int(uid), 0))
			}
			r, err := Undo(context.Background(), "a", b.opt)
			b.must(err)
			if stays := strings.Contains(b.read("etc/passwd"), "mw:x:"); stays != has || len(r.Left) > 0 != has {
				t.Errorf("home %q, with things of it: %v; it stays: %v, left %+v", home, has, stays, r.Left)
			}
		}
	}
}

// An account whose home is where it writes is given none, whoever has made it. It is not ours by that,
// and undo does not give that home back.
func TestAccountHomeInState(t *testing.T) {
	for name, was := range map[string]string{"the state": "/srv/mw", "in it": "/srv/mw/home/", "another": "/srv/mwx"} {
		b := newBed(t)
		if b.opt.NoOwners {
			tmuxtest.Skip(t, "accounts are root's to make")
		}
		b.write("etc/passwd", b.read("etc/passwd")+"mw:x:777:777:theirs:"+was+":/usr/sbin/nologin\n", 0o644)
		b.write("etc/group", b.read("etc/group")+"mw:x:777:\n", 0o644)
		want := noHome
		if name == "another" {
			want = was
		}
		b.apply(accountState(""))
		if text := b.read("etc/passwd"); !strings.Contains(text, ":theirs:"+want+":") || b.plan(accountState("")).Drift() {
			t.Errorf("%s: %s", name, text)
		}
		if _, err := Undo(context.Background(), "a", b.opt); err != nil || !strings.Contains(b.read("etc/passwd"), ":theirs:"+want+":") {
			t.Errorf("%s: undone: %v, %s", name, err, b.read("etc/passwd"))
		}
		b.write("etc/passwd", strings.Replace(b.read("etc/passwd"), ":theirs:"+want+":", ":theirs:"+was+":", 1), 0o644)
		b.apply(accountState(""))
		b.apply(State{Set: "a"})
		if !strings.Contains(b.read("etc/passwd"), "mw:x:777") {
			t.Errorf("%s: somebody's account is gone", name)
		}
	}
	// One of ours, of an earlier muxward.
	b := newBed(t)
	old := accountState("/srv/mw")
	old.Items[0].State = ""
	b.apply(old)
	b.apply(accountState(""))
	if text := b.read("etc/passwd"); !strings.Contains(text, ":ours:"+noHome+":") {
		t.Errorf("%s", text)
	}
	b.apply(State{Set: "a"})
	if text := b.read("etc/passwd"); strings.Contains(text, "mw:x:") {
		t.Errorf("ours is left: %s", text)
	}
}

// What comes back is asked about before anything moves: of an undo, of an apply that was broken off, and of
// one that is not healthy. What does not come back is not asked about.
func TestReturning(t *testing.T) {
	no := errors.New("not that one")
	var asked []string
	returning := func(files map[string][]byte) error {
		asked = append(asked, string(files["/etc/x"]))
		if string(files["/etc/x"]) == "old\n" {
			return no
		}
		return nil
	}
	s := State{Set: "a", Items: []Item{{ID: "T", Kind: File, Path: "/etc/x", Mode: 0o644, Content: "new\n", Why: "it"},
		{ID: "T", Kind: File, Path: "/etc/y", Mode: 0o644, Content: "new\n", Why: "it"}}}
	for _, how := range []string{"undo", "killed", "unhealthy"} {
		b := newBed(t)
		b.write("etc/x", "old\n", 0o644)
		o := b.opt
		switch how {
		case "killed":
			o.step = func(step string) {
				if step == "commit" {
					panic("killed")
				}
			}
		case "unhealthy":
			o.Returning, o.Health = returning, func(context.Context, []Change) error { return errors.New("ill") }
		}
		func() {
			defer func() { _ = recover() }()
			if _, err := Apply(context.Background(), Just(s), o); how == "unhealthy" && (!errors.Is(err, no) || !errors.Is(err, ErrHalf)) {
				t.Errorf("unhealthy: %v", err)
			}
		}()
		back := func(o Options) error {
			if how == "undo" {
				_, err := Undo(context.Background(), "a", o)
				return err
			}
			_, err := Recover(context.Background(), o)
			return err
		}
		o = b.opt
		o.Returning = returning
		if err := back(o); !errors.Is(err, no) || b.read("etc/x") != "new\n" || b.read("etc/y") != "new\n" {
			t.Errorf("%s: %v, and it is %q", how, err, b.read("etc/x"))
		}
		b.write("etc/x", "theirs\n", 0o644) // somebody has changed it since: it stays
		if err := back(o); err != nil || b.read("etc/x") != "theirs\n" {
			t.Errorf("%s: what does not come back is asked about: %v, %q", how, err, b.read("etc/x"))
		}
		if _, err := os.Lstat(b.at("etc/y")); err == nil {
			t.Errorf("%s: the other file is left", how)
		}
	}
	if len(asked) < 6 {
		t.Errorf("asked about %q", asked)
	}
}

// A directory is removed where the tree has it, and not where a link of the tree leads to.
func TestRemoveDir(t *testing.T) {
	b := newBed(t)
	out := memory(t)
	b.must(errors.Join(os.Mkdir(out+"/d", 0o755), os.MkdirAll(b.at("srv/d"), 0o755), os.Symlink(out, b.at("away"))))
	if err := RemoveDir("/away/d", b.opt); err == nil {
		t.Error("it goes through a symlink")
	}
	if _, err := os.Stat(out + "/d"); err != nil {
		t.Error(err)
	}
	b.must(errors.Join(RemoveDir("/srv/d", b.opt), RemoveDir("/srv/d", b.opt), RemoveDir("/none/d", b.opt)))
	if _, err := os.Stat(b.at("srv/d")); err == nil {
		t.Error("it is there still")
	}
}
