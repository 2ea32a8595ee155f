package hostconf

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// only wants nothing in a directory but one file of ours.
func only(v *View) (State, error) {
	s := State{Set: "test", Items: []Item{
		{ID: "T1", Kind: Directory, Path: "/etc/d", Mode: 0o755, Why: "it counts"},
		{ID: "T2", Kind: File, Path: "/etc/d/ours", Mode: 0o644, Content: "ours\n", Why: "it counts"}}}
	names, err := v.Names("/etc/d", 100)
	for _, n := range names {
		if n != "ours" {
			s.Items = append(s.Items, Item{ID: "T3", Kind: Absent, Path: "/etc/d/" + n, Final: true, Why: "it would be in force"})
		}
	}
	return s, err
}

// What cannot be looked at, as others may change it, is not taken for nothing.
func TestWishOfAnOpenDirectory(t *testing.T) {
	b := newBed(t)
	b.write("etc/d/theirs", "theirs\n", 0o644)
	b.must(os.Mkdir(b.at("etc/up"), 0o755))
	b.must(os.Rename(b.at("etc/d"), b.at("etc/up/d")))
	b.must(os.Symlink("up/d", b.at("etc/d")))
	for _, c := range []struct {
		name string
		ask  func(v *View) error
	}{
		{"names", func(v *View) error { _, err := v.Names("/etc/up/d", 100); return err }},
		{"a file", func(v *View) error { _, _, err := v.File("/etc/up/d/theirs"); return err }},
		{"behind a symlink", func(v *View) error { _, err := v.Names("/etc/d", 100); return err }},
	} {
		b.must(unix.Chmod(b.at("etc/up"), 0o777))
		wish := func(v *View) (State, error) {
			err := c.ask(v)
			return State{Set: "test", Items: []Item{{ID: "T", Kind: Directory, Path: "/etc/up", Mode: 0o755, Why: "it counts"}}}, err
		}
		p, err := Compare(t.Context(), wish, b.opt)
		if err != nil || len(p.Blocked()) != 1 || !strings.Contains(p.Blocked()[0].Reason, "/etc/") {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
		before := b.snapshot()
		if _, err := Apply(t.Context(), wish, b.opt); err == nil || errors.Is(err, errMeanwhile) || !strings.Contains(err.Error(), "nothing has changed") || b.snapshot() != before {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What is to go was removed by an apply that is then broken off. The next one takes that back,
// and only then asks what is there: it goes again.
func TestWishAfterRecovery(t *testing.T) {
	b := newBed(t)
	b.write("etc/d/theirs", "theirs\n", 0o644)
	o := b.opt
	o.step = func(step string) {
		if step == "commit" {
			panic("broken off")
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, err := Apply(context.Background(), only, o)
		t.Errorf("it was not broken off: %v", err)
	}()
	if _, err := os.Lstat(b.at("etc/d/theirs")); err == nil {
		t.Fatal("it is still there: nothing was broken off")
	}
	r, err := Apply(context.Background(), only, b.opt)
	if err != nil || r.Recovered == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := os.Lstat(b.at("etc/d/theirs")); err == nil {
		t.Error("what was to go is there")
	}
}

// What somebody puts there while an apply is at work is found before it is done.
func TestLooksAgain(t *testing.T) {
	for _, at := range []string{"journal", "do /etc/d/ours", "health"} {
		b := newBed(t)
		b.write("etc/d/ours", "other\n", 0o644)
		b.opt.Health = func(context.Context, []Change) error { return nil }
		b.opt.step = func(step string) {
			if step == at {
				b.write("etc/d/theirs", "theirs\n", 0o644)
			}
		}
		_, err := Apply(context.Background(), only, b.opt)
		if !errors.Is(err, errMeanwhile) || b.read("etc/d/ours") != "other\n" || b.read("etc/d/theirs") != "theirs\n" {
			t.Errorf("at %q: %v", at, err)
		}
		b.opt.step = nil
		if _, err := Apply(context.Background(), only, b.opt); err != nil {
			t.Errorf("at %q, then: %v", at, err)
		}
	}
}

// Until a directory is put right others can put something into it that nobody has looked at.
func TestLooksIntoOpenDirectory(t *testing.T) {
	b := newBed(t)
	s := State{Set: "test", Items: []Item{
		{ID: "T1", Kind: Directory, Path: "/etc/d", Mode: 0o755, Why: "it counts"},
		{ID: "T2", Kind: File, Path: "/etc/d/ours", Mode: 0o644, Content: "ours\n", Why: "it counts"}}}
	b.must(os.Mkdir(b.at("etc/d"), 0))
	b.must(os.Chmod(b.at("etc/d"), 0o777))
	b.opt.step = func(step string) {
		if step == "do /etc/d" {
			b.write("etc/d/theirs", "theirs\n", 0o644)
		}
	}
	if _, err := Apply(context.Background(), Just(s), b.opt); !errors.Is(err, errMeanwhile) {
		t.Errorf("%v", err)
	}
	b.opt.step = nil
	if _, err := Apply(context.Background(), Just(s), b.opt); err == nil || !strings.Contains(err.Error(), "such as theirs") {
		t.Errorf("then: %v", err)
	}
	b.must(os.Remove(b.at("etc/d/theirs")))
	b.apply(s)
}

// A file out of which the wish was made, and that is another one by now, is not overwritten.
func TestWishOfAFile(t *testing.T) {
	b := newBed(t)
	b.write("etc/shared", "a\n", 0o644)
	meddle := func() {}
	wish := func(v *View) (State, error) {
		seen, there, err := v.File("/etc/shared")
		if !there || err != nil {
			t.Errorf("it is not there: %v", err)
		}
		meddle()
		return State{Set: "test", Items: []Item{{ID: "T", Kind: File, Path: "/etc/shared", Content: strings.TrimSuffix(seen.Content, "ours\n") + "ours\n",
			Owner: seen.Owner, Group: seen.Group, Mode: seen.Mode, Why: "it counts"}}}, nil
	}
	if _, err := Apply(context.Background(), wish, b.opt); err != nil || b.read("etc/shared") != "a\nours\n" {
		t.Fatalf("%v: %q", err, b.read("etc/shared"))
	}
	meddle = func() {
		b.write("etc/shared", "theirs\n", 0o644)
		meddle = func() {}
	}
	if _, err := Apply(context.Background(), wish, b.opt); !errors.Is(err, errMeanwhile) || b.read("etc/shared") != "theirs\n" {
		t.Errorf("%v: %q", err, b.read("etc/shared"))
	}
}
