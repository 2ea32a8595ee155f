package sshd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/attach/screen"
	"github.com/muxward/muxward/internal/reach"
	"github.com/muxward/muxward/internal/tmux/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv(reachVar) != "" {
		if err := reach.Run(3, ""); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// A command line is words, as a shell's; what else a shell would do is refused by
// name.
func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"tmux ls":                      {"tmux", "ls"},
		"  a\t b  ":                    {"a", "b"},
		`'a b' "c d" e\ f`:             {"a b", "c d", "e f"},
		`a'b'"c"d`:                     {"abcd"},
		`''`:                           {""},
		`"" x`:                         {"", "x"},
		`'$x;\'`:                       {`$x;\`},
		`"a\"b\\c\$d\e"`:               {`a"b\c$d\e`},
		`new \; ls`:                    {"new", ";", "ls"},
		`'it'\''s'`:                    {"it's"},
		`a#b x~y`:                      {"a#b", "x~y"},
		`send-keys {up-of} !x %1 @2 =`: {"send-keys", "{up-of}", "!x", "%1", "@2", "="},
		"'a\nb'":                       {"a\nb"},
		"ü":                            {"ü"},
	} {
		got, err := words(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{
		"a; b", "a & b", "a | b", "a > b", "a < b", "(a)", "a `b`", "a $b", `"$a"`, "\"`a`\"", "a *", "a ?", "[a", "#a", "~a", "a ~b",
		"a\nb", "a\rb", "'a", `"a`, `a\`, "a\\\nb", "\"a\\\nb\"", "a\x00", "'\x00'", "\"\x00\"", strings.Repeat("a", maxLine+1),
	} {
		if got, err := words(line); err == nil {
			t.Errorf("%.20q is %q", line, got)
		}
	}
}

// Of the tmux client's own flags those are taken that mean nothing here.
func TestCommand(t *testing.T) {
	for line, want := range map[string]string{
		"tmux": "", "tmux ls": "ls", "ls -F x": "ls -F x", "tmux -u -2 ls -a": "ls -a", "tmux -- ls": "ls", "tmux tmux": "tmux",
		"tmux -C": "-C", "tmux -CC attach": "-CCattach", "tmux -C -u -C -- attach -C": "-CCattach -C",
	} {
		if got, err := readCommand(line); err != nil || got.mode+strings.Join(got.argv, " ") != want {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{"tmux -L x ls", "tmux -S/x ls", "tmux -f /x", "tmux -c id", "tmux -CCC", "tmux -uC"} {
		if got, err := readCommand(line); err == nil {
			t.Errorf("%q is %q", line, got)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"tmux ls", `'a b' "c" d\ e`, "a;b", "\"\\\"", "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, err := words(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range got {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := words(strings.Join(quoted, " "))
		if err != nil && len(strings.Join(quoted, " ")) <= maxLine || err == nil && !slices.Equal(got, again) {
			t.Errorf("%q is %q, which is %q when quoted (%v)", line, got, again, err)
		}
	})
}

// What a client says of its environment and terminal is taken over where it is one
// of a few things, and plain.
func TestClaims(t *testing.T) {
	for kv, want := range map[[2]string]bool{
		{"LANG", "de_DE.UTF-8"}: true, {"LC_ALL", "C"}: true, {"COLORTERM", "truecolor"}: true,
		{"PATH", "/x"}: false, {"LD_PRELOAD", "/x"}: false, {"TMUX", "x"}: false, {"MUXWARD_ALLOW", "bob"}: false,
		{"LANG", "a b"}: false, {"LANG", "$(x)"}: false, {"LANG", "a\nLD_PRELOAD=x"}: false, {"LC_=X", "C"}: false,
		{"LC_\n", "C"}: false, {"LANG", strings.Repeat("a", 200)}: false, {"LC_" + strings.Repeat("A", 64), "C"}: false,
	} {
		if mayPass(kv[0], kv[1]) != want {
			t.Errorf("%q: %v", kv, !want)
		}
	}
	for term, want := range map[string]bool{
		"xterm-256color": true, "vt100": true, "a+b.c_d": true,
		"": false, "$(x)": false, "../../etc/x": false, "a b": false, "x\n": false, ".x": false, "-x": false, strings.Repeat("x", 65): false,
	} {
		if sound(term) != want {
			t.Errorf("TERM=%q: %v", term, !want)
		}
	}
	for modes, want := range map[string]byte{
		"": 0x7f, "\x03\x00\x00\x00\x08": 8, "\x03\x00\x00\x00": 0x7f, "\x03\x00\x00\x00\xff\x00": 0x7f,
		"\x01\x00\x00\x00\x03\x03\x00\x00\x00\x08\x00": 8, "\x00\x03\x00\x00\x00\x08": 0x7f, "\xff\x03\x00\x00\x00\x08": 0x7f,
	} {
		if got := eraseOf(modes); got != want {
			t.Errorf("modes %q: erase %#x", modes, got)
		}
	}
}

func FuzzPtyRequest(f *testing.F) {
	f.Add(ssh.Marshal(ptyRequest{"xterm", 80, 24, 0, 0, "\x03\x00\x00\x00\x08\x00"}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m ptyRequest
		if ssh.Unmarshal(payload, &m) == nil {
			eraseOf(m.Modes)
			_ = sound(m.Term)
		}
	})
}

// The line that somebody types in the lobby holds what it shows.
func TestEditor(t *testing.T) {
	for typed, want := range map[string][2]string{
		"work\r":                                {"work", "work\n"},
		"wrk\x7f\x7fork\n":                      {"work", "wrk\b \b\b \bork\n"},
		"\x7fa\r":                               {"a", "a\n"},
		"abc\x15d\r":                            {"d", "abc\b \b\b \b\b \bd\n"},
		"a\x1b[Ab\x1bOPc\r":                     {"abc", "abc\n"},
		"a\x1b[<0;1;1Mb\r":                      {"ab", "ab\n"},
		"x\x03":                                 {"q", "x\n"},
		"x\x04":                                 {"q", "x\n"},
		"a\x00\x07\xff\r":                       {"a", "a\n"},
		"one\rtwo\r":                            {"one", "one\n"},
		strings.Repeat("a", maxAnswer+9) + "\r": {strings.Repeat("a", maxAnswer), strings.Repeat("a", maxAnswer) + "\n"},
	} {
		for _, step := range []int{1, len(typed)} { // also if it comes byte by byte
			var e editor
			echo, done := "", false
			for chunk := range slices.Chunk([]byte(typed), step) {
				var more string
				if more, done = e.feed(chunk); true {
					echo += more
				}
				if done {
					break
				}
			}
			if !done || string(e.line) != want[0] || echo != want[1] {
				t.Errorf("%q: %q, shown as %q (%v)", typed, e.line, echo, done)
			}
		}
	}
}

// slow is a network that takes what it is told to.
type slow struct {
	mu   sync.Mutex
	got  []byte
	each []int
	gate chan struct{} // nil lets everything through
}

func (s *slow) Write(p []byte) (int, error) {
	if s.gate != nil {
		if _, open := <-s.gate; !open {
			return 0, io.ErrClosedPipe
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, p...)
	s.each = append(s.each, len(p))
	return len(p), nil
}

func (s *slow) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.got)
}

// Output goes out at once after a pause and as the answer to a key, and is gathered
// otherwise.
func TestOutputIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &slow{}
		o := newOutbox(net, io.Discard)
		done := make(chan struct{})
		go func() { defer close(done); o.run() }()
		time.Sleep(time.Second)
		put := func(text string) {
			if n, err := o.try([]byte(text), false); n != len(text) || err != nil {
				t.Errorf("took %d, %v", n, err)
			}
			synctest.Wait()
		}
		put("first")
		if net.seen() != "first" {
			t.Error("what comes after a pause waits")
		}
		put("b")
		put("c")
		if net.seen() != "first" {
			t.Error("what follows goes alone")
		}
		time.Sleep(gatherTime)
		synctest.Wait()
		if net.seen() != "firstbc" || len(net.each) != 2 {
			t.Errorf("%q in %v", net.seen(), net.each)
		}
		o.answer()
		put("key")
		if net.seen() != "firstbckey" {
			t.Error("the answer to a key waits")
		}
		put(strings.Repeat("x", onePacket))
		if len(net.each) != 4 {
			t.Error("a packet's worth waits")
		}
		o.close()
		<-done
	})
}

// Who does not read has a bounded amount wait for them, and holds nobody up.
func TestOutputIsBounded(t *testing.T) {
	net := &slow{gate: make(chan struct{})}
	o := newOutbox(net, io.Discard)
	done := make(chan struct{})
	go func() { defer close(done); o.run() }()
	all := 0
	for range 100 {
		n, err := o.try(make([]byte, 8<<10), false)
		if err != nil {
			t.Fatal(err)
		}
		all += n
	}
	if all != maxShown {
		t.Errorf("%d bytes are held", all)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := o.put(ctx, []byte("more"), false); !errors.Is(err, errNotRead) {
		t.Error(err)
	}
	if err := o.flush(ctx); !errors.Is(err, errNotRead) {
		t.Error(err)
	}
	close(net.gate)
	<-done
	if err := o.put(t.Context(), []byte("x"), false); !errors.Is(err, errChannelGone) {
		t.Error(err)
	}
	if err := o.await(time.Hour); !errors.Is(err, errChannelGone) {
		t.Error(err)
	}
}

// TestTerminalLeaves: what a revocation throws away is not shown, and if the network
// holds it up, the connection goes.
func TestTerminalLeaves(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		net := &slow{gate: make(chan struct{}, 8)}
		in, out := newInbox(), newOutbox(net, io.Discard)
		done := make(chan struct{})
		go func() { defer close(done); out.run() }()
		aborted := make(chan struct{})
		x := newTerminal(in, out, 0x7f, out.flush, func() { close(aborted) }, nil)
		if _, err := x.TryWrite([]byte("early")); !errors.Is(err, attach.ErrAway) {
			t.Error("it writes before it was entered")
		}
		if err := x.Enter(); err != nil {
			t.Fatal(err)
		}
		if _, err := x.TryWrite([]byte("under way ")); err != nil {
			t.Fatal(err)
		}
		for { // until it is
			out.mu.Lock()
			flying := out.flying > 0
			out.mu.Unlock()
			if flying {
				break
			}
			if err := out.await(time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := x.TryWrite([]byte("SECRET")); err != nil {
			t.Fatal(err)
		}
		in.mu.Lock()
		in.buf = []byte("typed")
		in.mu.Unlock()
		if !stuck { // the network goes on once the rest was thrown away
			go func() {
				for dropped := false; !dropped; {
					out.mu.Lock()
					dropped = out.size == 0
					out.mu.Unlock()
					runtime.Gosched()
				}
				for range 8 {
					net.gate <- struct{}{}
				}
			}()
		}
		err := x.Leave(t.Context(), attach.Leaving{Discard: true, Now: screen.Alternate, Ever: screen.Alternate, Text: "gone\x1b"})
		switch {
		case err != nil:
			t.Error(err)
		case stuck:
			<-aborted
			close(net.gate)
		case !strings.Contains(net.seen(), "\x1b[?1049l\rgone\\x1b\r\n") || strings.Contains(net.seen(), "SECRET"):
			t.Errorf("shown: %q", net.seen())
		}
		if n, err := x.Read(make([]byte, 9), nil); n != 0 || !errors.Is(err, attach.ErrAway) {
			t.Errorf("read %d, %v", n, err)
		}
		if _, err := x.TryWrite([]byte("late")); !errors.Is(err, attach.ErrAway) {
			t.Error(err)
		}
		out.close()
		<-done
	}
}

// A reader hears what was typed, its deadline, and the end.
func TestInbox(t *testing.T) {
	r, w := io.Pipe()
	b := newInbox()
	done, stop := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); b.fill(r, stop) }()
	always := func() error { return nil }
	read := func(p []byte) (int, error) { return b.read(p, nil, always) }
	_, _ = w.Write([]byte("ab"))
	p := make([]byte, 1)
	for _, want := range "ab" {
		if n, err := read(p); n != 1 || p[0] != byte(want) || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
	}
	b.setDeadline(time.Now().Add(time.Millisecond))
	if _, err := read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	b.setDeadline(longAgo)
	if _, err := read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	b.setDeadline(time.Time{})
	_ = w.Close()
	<-done
	for range 2 {
		if _, err := read(p); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

// TestForgottenInput: what was typed is thrown away wherever it is: here, and on its way
// here, until the client has answered and what it sent before has come.
func TestForgottenInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		b := newInbox()
		done, stop := make(chan struct{}), make(chan struct{})
		go func() { defer close(done); b.fill(r, stop) }()
		typed := func(text string) {
			_, _ = w.Write([]byte(text))
			synctest.Wait()
		}
		typed("here ")
		b.begin()
		typed("in the network ")
		b.answered()
		for range 5 { // in the library
			time.Sleep(quietTime / 2)
			typed("in the library ")
		}
		b.quiet(t.Context())
		typed("later")
		p := make([]byte, 99)
		if n, err := b.read(p, nil, func() error { return nil }); string(p[:n]) != "later" || err != nil {
			t.Errorf("%q is left, %v", p[:n], err)
		}
		b.begin()
		began := time.Now()
		b.quiet(t.Context())
		if time.Since(began) != skipTime {
			t.Errorf("without an answer it takes %s", time.Since(began))
		}
		_ = w.Close()
		<-done
	})
}

// However often somebody changes the size of their window, their terminal is taken
// again after it was given back.
func TestWakeupIsNotDropped(t *testing.T) {
	c := &client{events: make(chan wire.Message, 16)}
	for range 100 {
		c.event(&wire.Resize{})
	}
	if err := c.take(t.Context(), &wire.Suspend{}); err != nil {
		t.Fatal(err)
	}
	woken := false
	for len(c.events) > 0 {
		_, is := (<-c.events).(*wire.Wakeup)
		woken = woken || is
	}
	if !woken {
		t.Error("the terminal is given back for good")
	}
}

// The host key is made once, and refused when it is not ours alone (SS-15).
func TestHostKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := OpenHostKey(dir)
	if err != nil || !first.New {
		t.Fatal(err)
	}
	path := filepath.Join(dir, hostKeyFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := OpenHostKey(dir)
	if err != nil || again.New || again.Fingerprint() != first.Fingerprint() {
		t.Errorf("%+v, %v", again, err)
	}
	line := again.KnownHosts("2222", "host.example.org", "10.0.0.1")
	if !strings.HasPrefix(line, "[host.example.org]:2222,[10.0.0.1]:2222 ssh-ed25519 AAAA") || !strings.HasPrefix(again.KnownHosts("22", "h"), "h ssh-ed25519 ") {
		t.Error(line)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for why, spoil := range map[string]func() error{
		"may be read by others": func() error { return os.Chmod(path, 0o644) },
		"is gone":               func() error { return os.Remove(path) },
		"too many levels":       func() error { return errors.Join(os.Rename(path, path+".x"), os.Symlink(path+".x", path)) },
		"is no file":            func() error { return os.Mkdir(path, 0o700) },
		"cannot be read":        func() error { return os.WriteFile(path, []byte("x"), 0o600) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if why != "is no file" {
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenHostKey(dir); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// A connection that has proved nobody may say little.
func TestWary(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	w := &wary{Conn: here, left: 10}
	go func() {
		for range 3 {
			_, _ = there.Write(bytes.Repeat([]byte("x"), 8))
		}
	}()
	var got int
	var err error
	for err == nil {
		var n int
		n, err = w.Read(make([]byte, 4))
		got += n
	}
	if got != 10 || !errors.Is(err, errTalksTooMuch) {
		t.Errorf("%d bytes, %v", got, err)
	}
	w.trusted.Store(true)
	if n, err := w.Read(make([]byte, 4)); n == 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	here.Close()
}

// page is the list, a line each, as it fits on the screen.
func (x *session) page(all, shown places) string {
	return strings.Join(x.rows(all, shown, -1, []string{leaves}), "\n") + "\n"
}

// The list in the lobby fits on the screen, and what others called their sessions is
// text there (SS-16).
func TestLobbyPage(t *testing.T) {
	all := places{{name: "alice/work", may: "view", held: 2}, {name: "alice/\x1b]0;evil\a\x9b2J", may: "view, type"},
		{name: "alice/\u202etxt\u2028\nline", may: "view"}, {name: "alice/日本語日本語日本語日本語日本語", may: "everything"},
		{name: strings.Repeat("x", 500), may: "view"}, {name: "a\\b\xff", may: "view"}}
	for len(all) < 30 {
		all = append(all, place{name: "alice/more", may: "view"})
	}
	for _, size := range [][2]uint32{{40, 12}, {80, 24}, {0, 0}, {20, 8}, {1, 1}, {1 << 31, 1 << 31}} {
		for _, env := range [][]string{nil, {"LANG=C"}} {
			x := &session{c: &conn{}, env: env, term: newTerminal(newInbox(), newOutbox(io.Discard, io.Discard), 0x7f, nil, nil, nil)}
			x.term.resize(size[0], size[1], 0, 0)
			page := x.page(all, all)
			lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
			if cols, rows := max(size[0], 20), max(size[1], 8); size[0] > 0 && (uint32(len(lines)) > rows-1 || len(lines) < 4) {
				t.Errorf("%dx%d: %d lines for %d rows", cols, size[1], len(lines), rows)
			}
			for _, l := range lines {
				if size[0] >= 20 && uint32(ansi.StringWidth(l)) >= size[0] {
					t.Errorf("%d columns: %q", size[0], l)
				}
				for _, c := range l {
					if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x202e || c == 0x2028 || env != nil && c > '~' {
						t.Errorf("%U is shown in %q", c, l)
					}
				}
			}
		}
	}
	if got := all.named("alice/work"); got == nil || got.held != 2 {
		t.Error("alice/work is not found")
	}
	if all.named("alice/wor") != nil || all.named("") != nil {
		t.Error("a part of a name is a name")
	}
	if p := all.choose("1", all); p == nil || p.name != "alice/work" {
		t.Error("1 is not the first")
	}
	for _, answer := range []string{"", "31", "-1", "99999999999999999999", "alice", "nobody"} {
		if p := all.choose(answer, all); p != nil {
			t.Errorf("%q chooses %q", answer, p.name)
		}
	}
	if places(nil).plain() != nothing {
		t.Error("nothing is something")
	}
}

// A name that is written from right to left turns nothing around, and none has
// anything that is not seen.
func TestLobbyNames(t *testing.T) {
	x := &session{c: &conn{}, term: newTerminal(newInbox(), newOutbox(io.Discard, io.Discard), 0x7f, nil, nil, nil)}
	for name, want := range map[string]string{
		"שלום":                   "1  \u2068שלום\u2069  view\n",
		"plain":                  "1  plain  view\n",
		"a\u200bb\u2060\ufeff":   "1  a?b??  view\n",
		strings.Repeat("ש", 100): "1  \u2068" + strings.Repeat("ש", 76) + "\u2069\n",
		"x\u2069\u202eתx":        "1  x??\u2068ת\u2069x  view\n",
	} {
		all := places{{name: name, may: "view"}}
		if page := x.page(all, all); !strings.Contains(page, want) {
			t.Errorf("%q is shown as %q", name, page)
		}
	}
	x.env = []string{"LANG=C"}
	all := places{{name: "שלום", may: "view"}}
	if page := x.page(all, all); strings.ContainsFunc(page, func(c rune) bool { return c > 0x7f }) {
		t.Errorf("shown as %q", page)
	}
}

// told is a log that is only kept.
type told struct {
	mu  sync.Mutex
	all []access.Event
}

func (l *told) Append(_ context.Context, _ access.Class, ev access.Event) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, ev)
	return uint64(len(l.all)), nil
}

func (l *told) reasons() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, ev := range l.all {
		b.WriteString(ev.Reason + "\n")
	}
	return b.String()
}
