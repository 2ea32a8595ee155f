package remote

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInventory(t *testing.T) {
	got, err := Inventory(strings.NewReader("# ours\n\nh1\n root@h2.example  db-2 # the second\nfe80::1%eth0\n"))
	if want := []Host{{At: "h1"}, {At: "root@h2.example", Name: "db-2"}, {At: "fe80::1%eth0"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                          "no host",
		"# h1\n":                    "no host",
		"h1\nh2 a b\n":              "line 2",
		"-oProxyCommand=id\n":       "line 1",
		"root@-oProxyCommand=id":    "line 1",
		"a;id\n":                    "no [USER@]HOST",
		"$(id)\n":                   "no [USER@]HOST",
		"ssh://h1:22\n":             "no [USER@]HOST",
		"h1 -x\n":                   "no name",
		"h1 a;b\n":                  "no name",
		"h1\nh2\nh1\n":              "line 3: h1 is in line 1 already",
		"h1\n\x1b[2J\n":             "line 2",
		strings.Repeat("a", 70<<10): "line 1",
	} {
		if _, err := Inventory(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func FuzzInventory(f *testing.F) {
	f.Add("h1\nroot@h2 name # x\n")
	f.Add("-oProxyCommand=x")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Inventory(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, h := range all {
			if strings.HasPrefix(h.At, "-") || strings.ContainsAny(h.At+h.Name, " '\"\\$`;&|<>()\n\x1b") || strings.HasPrefix(h.Name, "-") {
				t.Errorf("%q gives %+v", text, h)
			}
		}
	})
}

// fake is a program in the place of ssh. Its last two arguments are the host and the command.
func fake(t *testing.T, body string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "ssh")
	if err := tmuxtest.WriteProgram(at, []byte("#!/bin/sh\nfor last; do :; done\nwhile [ $# -gt 2 ]; do shift; done\nhost=$1\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return at
}

func options(ssh string) Options {
	return Options{SSH: ssh, AtOnce: 3, Patience: time.Minute, MaxOut: 1000, MaxErr: 10,
		Command: func(h Host) string { return "ask " + h.At }, Input: []byte("in")}
}

// Each host gives what it says; errors of ssh are its exit code.
func TestAsk(t *testing.T) {
	o := options(fake(t, `case $host in
a) echo "$last: $(cat)" ;;
b) echo wrong wrong wrong >&2; exit 2 ;;
c) exit 255 ;;
d) kill -9 $$ ;;
esac`))
	var told atomic.Int32
	said := make([]string, 4)
	o.Done = func(n int, a Answer) { told.Add(1); said[n] = string(a.Out) }
	got := Ask(t.Context(), []Host{{At: "a"}, {At: "b"}, {At: "c"}, {At: "d"}}, o)
	if a := got[0]; a.Err != nil || a.Code != 0 || said[0] != "ask a: in\n" || a.Out != nil {
		t.Errorf("a: %+v, and said %q", a, said)
	}
	if b := got[1]; b.Err != nil || b.Code != 2 || string(b.Stderr) != "wrong wron" {
		t.Errorf("b: %+v", b)
	}
	if c := got[2]; c.Err != nil || c.Code != 255 {
		t.Errorf("c: %+v", c)
	}
	if d := got[3]; d.Err == nil {
		t.Errorf("d: %+v", d)
	}
	if told.Load() != 4 {
		t.Errorf("%d were told of", told.Load())
	}
}

// Who never stops talking is stopped, with all that it has started; who never answers is left.
func TestHostile(t *testing.T) {
	o := options(fake(t, "case $host in\nflood) yes & yes; ;;\nesac\nsleep 600 & sleep 600\n"))
	if a := Ask(t.Context(), []Host{{At: "flood"}}, o)[0]; !errors.Is(a.Err, ErrTooMuch) || len(a.Out) != o.MaxOut {
		t.Errorf("flood: %d bytes, %v", len(a.Out), a.Err)
	}
	o.Patience = 300 * time.Millisecond
	if a := Ask(t.Context(), []Host{{At: "mute"}}, o)[0]; a.Err == nil || !strings.Contains(a.Err.Error(), "did not answer within 300ms") {
		t.Errorf("mute: %+v", a)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.Patience, o.AtOnce = time.Minute, 1
	o.Command = func(Host) string { cancel(); return "x" }
	for i, a := range Ask(ctx, []Host{{At: "one"}, {At: "two"}}, o) {
		if !errors.Is(a.Err, context.Canceled) {
			t.Errorf("host %d: %+v", i, a)
		}
	}
}

// Nothing of whoever asks is lent to a host, and what their own settings of ssh keep open is
// left out of it.
func TestLendsNothing(t *testing.T) {
	at := filepath.Join(t.TempDir(), "ssh")
	if err := tmuxtest.WriteProgram(at, []byte("#!/bin/sh\necho \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := Ask(t.Context(), []Host{{At: "h"}}, options(at))[0]
	words := strings.Fields(string(a.Out))
	for _, want := range []string{"-a", "-x", "-k", "BatchMode=yes", "ClearAllForwardings=yes", "ControlMaster=no", "ControlPath=none"} {
		if !slices.Contains(words, want) {
			t.Errorf("without %s: %q, %v", want, words, a.Err)
		}
	}
}
