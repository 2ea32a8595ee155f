package pam

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// scripted answers from a list and notes what it hears.
type scripted struct {
	answers []string
	heard   []string
	ask     func() // before each answer
}

func (s *scripted) Ask(text string, shown bool) (string, error) {
	s.heard = append(s.heard, fmt.Sprintf("ask %q %v", text, shown))
	if s.ask != nil {
		s.ask()
	}
	if len(s.answers) == 0 {
		return "", errors.New("gone")
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	return a, nil
}

func (s *scripted) Tell(text string, in bool) {
	s.heard = append(s.heard, fmt.Sprintf("tell %q %v", text, in))
}

// good are the right answers.
func good(more ...string) []string { return append([]string{"open sesame", "123 \xff"}, more...) }

func TestLogin(t *testing.T) {
	t.Parallel()
	who := &scripted{answers: good("new")}
	l := Logins{Program: program(t, "expired")}
	if answers, err := l.Login(t.Context(), Request{"muxward", "alice", "192.0.2.1"}, WorkTime, who); err != nil || answers != 2 {
		t.Errorf("%d answers, %v", answers, err)
	}
	want := []string{`tell "hello alice from 192.0.2.1" false`, `ask "Password: " false`, `ask "Code: " true`, `ask "New password: " false`}
	if !slices.Equal(who.heard, want) {
		t.Errorf("heard %q", who.heard)
	}
	tmuxtest.Eventually(t, func() bool { return len(l.slots) == 0 }, "its place is free")
}

// TestLoginRefused: whatever becomes of the process, it lets nobody in, and says why.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		role, account string
		answers       []string
		want          string
	}{
		{"plain", "alice", []string{"open sesame", "123"}, `does not let "alice" in ("authenticate"): "authentication failure"`},
		{"plain", "alice", []string{"open sesame"}, "a question was not answered: gone"},
		{"permits", "alice", nil, errUnasked.Error()},
		{"permits what is seen", "alice", []string{"7"}, errUnasked.Error()},
		{"permits anything", "alice", []string{"a\x00b", "7"}, "has more than 511 bytes, or a NUL"},
		{"permits anything", "alice", []string{strings.Repeat("x", 512), "7"}, "has more than 511 bytes, or a NUL"},
		{"permits anything", "alice", []string{"", "7"}, "typed unseen was empty"},
		{"locked", "alice", good(), `("account"): "account expired"; it told: "locked"`},
		{"expired", "alice", good(""), `("change the password"): "not changed"`},
		{"changed", "alice", good(), `has made "root" of the account "alice"`},
		{"hang", "alice", nil, errLong.Error()},
		{"exit", "alice", nil, "has ended by itself"},
		{"crash", "alice", nil, "has ended by itself"},
		{"prompts", "alice", slices.Repeat([]string{"y"}, 100), "asks more than 20 questions"},
		{"texts", "alice", nil, "tells more than 100 things"},
		{"binary", "alice", nil, "in no known way"},
		{"garbage", "alice", nil, "this is no frame"},
		{"other version", "alice", nil, "speaks version 2, and this muxward 1: install both of one release"},
		{"plain", "../alice", good(), "begins with a letter"},
		{"plain", "a..alice", good(), "has no two dots in a row"},
		{"plain", "a/alice", good(), `has no '/'`},
		{"plain", "-alice", good(), "begins with a letter"},
		{"plain", "ali\x00ce", good(), `has no '\x00'`},
		{"plain", strings.Repeat("x", 33), good(), "the longest has 32"},
	} {
		t.Run(tc.role, func(t *testing.T) {
			t.Parallel()
			l, work := Logins{Program: program(t, tc.role)}, WorkTime
			if tc.role == "hang" {
				work = 300 * time.Millisecond
			}
			_, err := l.Login(t.Context(), Request{"muxward", tc.account, ""}, work, &scripted{answers: tc.answers})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
			if unasked := tc.role == "garbage" || tc.role == "other version"; errors.Is(err, ErrNotAsked) != unasked {
				t.Errorf("PAM was asked, or not: %v", err)
			}
			tmuxtest.Eventually(t, func() bool { return len(l.slots) == 0 }, "its place is free")
		})
	}
}

// TestLoginEnds: a login ends with its context, also while PAM works.
func TestLoginEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("muxward ends"))
	defer cancel()
	l := Logins{Program: program(t, "hang")}
	if _, err := l.Login(ctx, Request{"muxward", "alice", ""}, WorkTime, &scripted{}); err == nil || err.Error() != "muxward ends" {
		t.Error(err)
	}
}

// TestStrays: what a module has started ends with the login, wherever it has gone. If the
// process is gone first, only what stays in its session is found.
func TestStrays(t *testing.T) {
	t.Parallel()
	for role, found := range map[string]int{"stray": 2, "stray exits": 1} {
		who := &scripted{answers: []string{"y"}}
		l := Logins{Program: program(t, role)}
		if role == "stray" {
			who.answers = nil // the process lives
		}
		if _, err := l.Login(t.Context(), Request{"muxward", "alice", ""}, WorkTime, who); err == nil || len(who.heard) != 1 {
			t.Fatalf("%s: %v, %q", role, err, who.heard)
		}
		asked, _ := strconv.Unquote(strings.Fields(strings.Replace(strings.TrimPrefix(who.heard[0], "ask "), " ", "_", 1))[0])
		for i, text := range strings.Split(asked, "_") {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%q: %v", asked, err)
			}
			lives := func() bool { p, err := procfs.ReadStat(pid); return err == nil && !p.Ended() }
			if i < found {
				tmuxtest.Eventually(t, func() bool { return !lives() }, "process %d of %q ends", i, role)
				continue
			}
			// It may be found, if the process has not quite gone by then.
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
	}
}

// TestQueue: so many at once, so many wait, and who comes then is told at once.
func TestQueue(t *testing.T) {
	l := &Logins{}
	var leave []func()
	for range atOnce {
		f, err := l.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, f)
	}
	turn := make(chan error, maxQueue) // the rest ends with the test
	for range maxQueue {
		go func() {
			_, err := l.enter(t.Context())
			turn <- err
		}()
	}
	tmuxtest.Eventually(t, func() bool { return l.waiting.Load() == maxQueue }, "all wait")
	if _, err := l.enter(t.Context()); !errors.Is(err, errBusy) {
		t.Errorf("one too many: %v", err)
	}
	leave[0]()
	leave[0]() // twice is once
	if err := <-turn; err != nil {
		t.Error(err)
	}
	select {
	case err := <-turn:
		t.Errorf("another had its turn, too: %v", err)
	default:
	}
}

func TestCheckProgram(t *testing.T) {
	t.Parallel()
	path := program(t, "plain")
	if err := CheckProgram(path); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	for _, tc := range []struct {
		name, path string
		do         func() error
		want       string
	}{
		{"link", link, func() error { return os.Symlink(path, link) }, "is no program"},
		{"relative", "muxward-pam", func() error { return nil }, "is no absolute path"},
		{"none", "/nowhere/muxward-pam", func() error { return nil }, "no such file"},
		{"writable", path, func() error { return os.Chmod(path, 0o722) }, "may be written by others"},
		{"no program", path, func() error { return os.Chmod(path, 0o600) }, "is no program"},
		{"directory", path, func() error { return errors.Join(os.Chmod(path, 0o700), os.Chmod(filepath.Dir(path), 0o777)) }, "may be written by others"},
		{"as before", path, func() error { return os.Chmod(filepath.Dir(path), 0o700) }, ""},
		{"somebody's", path, func() error { return os.Chown(path, 61001, 0) }, "belongs to uid 61001"},
	} {
		if tc.name == "somebody's" && os.Geteuid() != 0 {
			tmuxtest.Skip(t, "needs root: gives a file away")
		}
		if err := tc.do(); err != nil {
			t.Fatal(err)
		}
		err := CheckProgram(tc.path)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestCheckService(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{"muxward": true, "a-b_2": true, "": false, "../x": false, "-x": false, "a/b": false, "A": false, "a\n": false} {
		if err := CheckService(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
