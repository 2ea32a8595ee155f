package hostconf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// What a process that is killed does is told by its environment.
const (
	killDo   = "MUXWARD_TEST_HOSTCONF"      // apply, undo or recover
	killAt   = "MUXWARD_TEST_HOSTCONF_AT"   // before which step it is killed: its number, from 1, or its name
	killRoot = "MUXWARD_TEST_HOSTCONF_ROOT" // the tree
)

func TestMain(m *testing.M) {
	if do := os.Getenv(killDo); do != "" {
		os.Exit(killed(do))
	}
	os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m}))
}

// killed does one thing until a step of it, and is then killed by signal 9. It gives 0 if it
// comes to an end before.
func killed(do string) int {
	name := os.Getenv(killAt)
	at, _ := strconv.Atoi(name) // 0 for a name
	o := Options{Root: os.Getenv(killRoot), step: func(step string) {
		if at--; at == 0 || step == name {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}
	runSystemd(&o)
	o.Checks = []Check{{Name: "nothing", Run: func(context.Context, string) error { return nil }}}
	o.Health = func(context.Context, []Change) error { return nil }
	var err error
	switch do {
	case "apply":
		_, err = Apply(context.Background(), Just(second()), o)
	case "undo":
		_, err = Undo(context.Background(), "setup", o)
	case "recover":
		_, err = Recover(context.Background(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// kill does something in a process of its own that is killed before a step, and reports
// whether it was.
func (b *bed) kill(do string, at any) bool {
	b.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDo+"="+do, fmt.Sprintf("%s=%v", killAt, at), killRoot+"="+b.root)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !st.Signaled() {
		b.t.Fatalf("%s, to be killed at step %v: %v\n%s", do, at, err, out)
	}
	return true
}

// first and second are two states: the second drops some of the first, changes some, and has
// more.
func first() State {
	s := whole()
	s.Items = append(s.Items[1:2:2], Item{ID: "F1", Kind: File, Path: "/opt/dropped/file", Mode: 0o644, Content: "dropped\n", Why: "it goes"},
		Item{ID: "F2", Kind: File, Path: "/etc/mw/new.conf", Mode: 0o600, Content: "older\n", Why: "it changes"},
		Item{ID: "F3", Kind: Directory, Path: "/srv", Mode: 0o711, Why: "its mode changes"},
		Item{ID: "F4", Kind: File, Path: "/etc/systemd/system/old.service", Mode: 0o644, Why: "it goes, with its unit"},
		Item{ID: "F4", Kind: Service, Name: "old.service", Running: true, Why: "it goes"})
	return s
}

func second() State {
	s := whole()
	s.Items = append(s.Items, Item{ID: "F3", Kind: Directory, Path: "/srv", Mode: 0o755, Why: "its mode changes"})
	return s
}

// fresh is a host with the first state.
func fresh(t *testing.T) (*bed, string) {
	b := newBed(t)
	if b.opt.NoOwners {
		tmuxtest.Skip(t, "accounts are root's to make")
	}
	b.furnish()
	withSystemd(b)
	b.apply(first())
	return b, b.snapshot()
}

// What was broken off is told of before it is taken back, by whoever takes it back, and is left as it
// is if that cannot be written down.
func TestRecovering(t *testing.T) {
	b, before := fresh(t)
	if !b.kill("apply", "commit") {
		t.Fatal("it was not killed")
	}
	broken := b.snapshot()
	if broken == before {
		t.Fatal("nothing has moved")
	}
	var told []int
	o, refused := b.opt, errors.New("the disk is full")
	o.Recovering = func(n int) error { told = append(told, n); return refused }
	if _, err := Undo(t.Context(), "setup", o); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if _, err := Apply(t.Context(), Just(second()), o); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if b.snapshot() != broken {
		t.Error("it was taken back before that was written down")
	}
	refused = nil
	if _, err := Undo(t.Context(), "setup", o); err != nil || b.snapshot() != before {
		t.Errorf("it is not as before: %v", err)
	}
	if !slices.Equal(told, []int{2, 2, 2}) {
		t.Errorf("told of %v", told)
	}
}

// An apply is killed before each of its steps: until it has been written down that it is done,
// plan says that it was broken off, and the host is as before when that is taken back, by
// Recover or by the next apply; from then on it is as after.
func TestKilledApply(t *testing.T) {
	ref, _ := fresh(t)
	ref.apply(second())
	after := ref.snapshot()
	step, done := 0, false
	for !done {
		step++
		b, before := fresh(t)
		if !b.kill("apply", step) {
			done = true
		}
		p := b.plan(second())
		switch {
		case done || p.Broken == nil && !p.Drift():
			if b.snapshot() != after {
				t.Fatalf("step %d: it is not as after:\n%s", step, b.snapshot())
			}
			continue
		case p.Broken == nil && b.snapshot() != before:
			t.Fatalf("step %d: plan says nothing, and it is\n%s", step, b.snapshot())
		case p.Broken != nil && (p.Broken.Number != 2 || p.Broken.Set != "setup" || p.Broken.Running):
			t.Fatalf("step %d: %+v", step, p.Broken)
		}
		if step%2 == 0 {
			if r := b.apply(first()); p.Broken != nil && r.Recovered == nil {
				t.Errorf("step %d: the next apply says nothing of it", step)
			}
		} else if _, err := Recover(context.Background(), b.opt); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if now := b.snapshot(); now != before {
			t.Fatalf("step %d: it is not as before:\n%s\nbut\n%s", step, before, now)
		}
		if step%5 != 0 && !soak.Full() {
			continue
		}
		b.apply(second())
		if now := b.snapshot(); now != after {
			t.Fatalf("step %d: then it is not as after:\n%s", step, now)
		}
	}
	if step < 50 {
		t.Errorf("only %d steps", step)
	}
	t.Logf("%d steps", step)
}

// What takes an apply back, or undoes one, is killed, too: the next goes on.
func TestKilledOnTheWayBack(t *testing.T) {
	for _, c := range []struct {
		do  string
		set func(b *bed)
	}{
		{"recover", func(b *bed) {
			if !b.kill("apply", "do /etc/mw/link") {
				t.Fatal("it was not killed")
			}
		}},
		{"undo", func(b *bed) { b.apply(second()) }},
	} {
		t.Run(c.do, func(t *testing.T) {
			step, skip := 0, 4
			if soak.Full() {
				skip = 1
			}
			for done := false; !done; {
				step += skip
				b, before := fresh(t)
				c.set(b)
				b.plan(second())
				done = !b.kill(c.do, step)
				p := b.plan(second())
				if c.do == "undo" && step == 1 {
					continue // it had not begun
				}
				if !done && p.Broken == nil && b.snapshot() != before {
					t.Fatalf("step %d: plan says nothing, and it is\n%s", step, b.snapshot())
				}
				if p.Broken != nil && p.Broken.Undoing != (c.do == "undo") {
					t.Errorf("step %d: %+v", step, p.Broken)
				}
				if _, err := Recover(context.Background(), b.opt); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
				if now := b.snapshot(); now != before {
					t.Fatalf("step %d: it is not as before:\n%s\nbut\n%s", step, before, now)
				}
			}
			if step < 20 {
				t.Errorf("only %d steps", step)
			}
		})
	}
}

// A file that somebody changes while an apply is at work is not lost: the apply is taken back.
func TestChangedMeanwhile(t *testing.T) {
	for _, c := range []struct{ name, at, path string }{
		{"changed", "do /etc/mw.conf", "etc/mw.conf"},
		{"made", "do /etc/mw/new.conf", "etc/mw/new.conf"},
		{"to be removed", "do /etc/old.conf", "etc/old.conf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.furnish()
			s := whole()
			s.Items = append(s.Items[1:2:2], s.Items[3], s.Items[7], Item{ID: "T", Kind: File, Path: "/etc/mw.conf", Mode: 0o644, Content: "x", Why: "it"})
			b.opt.step = func(step string) {
				if step == c.at {
					b.write(c.path, "theirs\n", 0o644)
				}
			}
			_, err := Apply(context.Background(), Just(s), b.opt)
			if err == nil || !strings.Contains(err.Error(), "meanwhile") {
				t.Errorf("apply: %v", err)
			}
			if b.read(c.path) != "theirs\n" {
				t.Error("what they wrote is lost")
			}
			if strings.Contains(b.snapshot(), ".muxward") {
				t.Errorf("something is left:\n%s", b.snapshot())
			}
		})
	}
}
