package tmux

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// attach shows a session on a terminal of its own until the test ends.
func (s *realServer) attach(session string) {
	s.t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	_ = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	master := os.NewFile(uintptr(fd), "ptmx")
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command("attach-session", "-t", session)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	slave.Close()
	go func() { _, _ = io.Copy(io.Discard, master) }()
	s.t.Cleanup(func() {
		s.tryRun("detach-client", "-t", slave.Name())
		_ = cmd.Wait()
		master.Close()
	})
}

// busyServer has some of everything that formats show.
func busyServer(t testing.TB) (*realServer, *control, *Snapshot) {
	srv := startServer(t)
	srv.limit = time.Hour // one client asks everything
	srv.run("set-option", "-g", "status", "off")
	srv.run("rename-session", "-t", "start", "stårt 日本x")
	srv.run("new-session", "-d", "-s", "two", "-n", "a##[b", "-x", "80", "-y", "24", "exec cat")
	srv.run("split-window", "-t", "two:", "exec cat")
	srv.run("split-window", "-h", "-t", "two:", "printf '\\033[?1000h\\033[?25l\\033[4h\\033[5;9r\\033[?1h\\033]7;file://h/x y\\007'; exec cat")
	srv.run("select-pane", "-t", "two:", "-T", "title | \\ \"é #S %H")
	srv.run("new-window", "-t", "two:7", "-n", "zoom me", "exec cat")
	srv.run("split-window", "-t", "two:", "exec cat")
	srv.run("resize-pane", "-Z", "-t", "two:")
	srv.run("new-session", "-d", "-t", "two", "-s", "three")
	srv.run("new-session", "-d", "-s", "al,pha ##{x}", "-n", "seq", "seq 100; exec cat")
	srv.run("link-window", "-d", "-s", "two:7", "-t", "=al,pha #{x}:3")
	srv.run("link-window", "-d", "-s", "two:7", "-t", "=stårt 日本x:4")
	srv.run("copy-mode", "-t", "=al,pha #{x}:0")
	srv.run("send-keys", "-X", "-t", "=al,pha #{x}:0", "-N", "5", "cursor-up")
	srv.run("send-keys", "-X", "-t", "=al,pha #{x}:0", "begin-selection")
	srv.run("set-option", "-wg", "remain-on-exit", "on")
	srv.run("new-window", "-d", "-t", "=al,pha #{x}:9", "-n", "gone", "exit 3")
	srv.run("set-option", "-w", "-t", "two:0", "pane-border-status", "top")
	srv.run("select-pane", "-m", "-t", "two:0.1")
	srv.run("set-buffer", "-b", "bb", "hello\n\x1bworld é")
	srv.run("set-buffer", "one")
	srv.attach("three")
	srv.attach("=stårt 日本x")
	c := srv.control("two")
	var seen string // for the message, if it does not come
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the last look at the busy server:", seen)
		}
	})
	until(t, "all panes run cat or are dead", func() bool {
		// tmux (3.3a) may overlook the end of a program, and a pane is then dead
		// without a status, until the next one ends.
		srv.run("run-shell", "true")
		out := srv.run("list-panes", "-a", "-F", "#{?pane_dead,cat,#{pane_current_command}}")
		marks := srv.run("list-panes", "-a", "-F", "#{pane_dead_status}#{mouse_any_flag}#{?#{e|>|:#{history_size},9},h,}")
		seen = fmt.Sprintf("commands %q, marks %q, clients %q", out, marks, srv.run("list-clients"))
		return strings.Trim(strings.ReplaceAll(out, "cat", ""), "\n") == "" && strings.Contains(marks, "30") &&
			strings.Contains(marks, "1") && strings.Contains(marks, "h") && strings.Count(srv.run("list-clients"), "\n") == 2
	})
	snap := c.snapshot(Full)
	return srv, c, snap
}

// volatile variables change between two looks.
func volatile() []string {
	return []string{"client_written", "client_discarded", "client_activity", "session_activity", "window_activity"}
}

// formatMaker draws formats of the grammar that guests may use.
type formatMaker struct {
	*rapid.T
	v     Version
	names []string
	depth int
	times bool
	loops bool // inside of one
}

func newFormatMaker(t *rapid.T, v Version, times bool) *formatMaker {
	// From 3.7 on a loop in a list command goes on with the loop's rows.
	m := &formatMaker{T: t, v: v, times: times, loops: v.AtLeast(v37) && !times}
	skip := volatile()
	if v.AtLeast(v37) {
		skip = append(skip, "history_bytes") // it changes with being asked for
	}
	for _, name := range variableNames() {
		if !slices.Contains(skip, name) && v.AtLeast(findVariable(name).since) {
			m.names = append(m.names, name)
		}
	}
	return m
}

func (m *formatMaker) pick(label string, list ...string) string {
	return rapid.SampledFrom(list).Draw(m.T, label)
}

func (m *formatMaker) number(low, high int) int { return rapid.IntRange(low, high).Draw(m.T, "n") }

func (m *formatMaker) name() string { return m.pick("name", m.names...) }

func (m *formatMaker) format() string {
	var b strings.Builder
	for range m.number(1, 3) {
		b.WriteString(m.part())
	}
	return b.String()
}

func (m *formatMaker) word() string {
	words := []string{"a", "x y", "0", "1", "", "日本", "é", "##", "#,", "#}", "##[z", "#[fg=red]", "#[bold]x", "-", "/", "*", "a#b", "12", "2.5", "#z", "#S", "#I", "### ", "####[q]"}
	if m.times {
		words = append(words, "%%", "%Y", "%%%%b", "%q", "%-m", "%#a", "%_5d", "%%-j")
	}
	return m.pick("word", words...)
}

func (m *formatMaker) part() string {
	m.depth++
	defer func() { m.depth-- }()
	if m.depth > 4 || m.number(0, 3) == 0 {
		return m.word()
	}
	kinds := []func() string{
		m.variable, m.variable, m.modified, m.modified, m.condition, m.comparison, m.logic, m.match, m.sum,
		m.character, m.exists, m.substitute,
	}
	if !m.loops || !m.v.AtLeast(v36) { // from there on tmux sorts the outer one anew
		kinds = append(kinds, m.loop)
	}
	if m.v.AtLeast(v36) {
		kinds = append(kinds, m.repeat, m.not)
	}
	return kinds[m.number(0, len(kinds)-1)]()
}

func (m *formatMaker) variable() string { return "#{" + m.name() + "}" }

// target is what modifiers may stand before.
func (m *formatMaker) target() string {
	if m.number(0, 2) > 0 {
		return m.name()
	}
	return strings.ReplaceAll(m.format(), "#[", "[") + m.variable()
}

func (m *formatMaker) modifier() string {
	return m.pick("modifier", "=", "=5", "=-4", "=3", "=/6/..", "=/-5/<>", "=|2|#{pane_id}|", "p12", "p-9", "p3", "n", "w", "b", "d", "q", "q/e", "q/h", "t",
		"t/p", "t/f/%Y-%m#:%d/", "=/#{pane_index}/", "=0", "p")
}

func (m *formatMaker) modified() string {
	mods := []string{m.modifier()}
	for range m.number(0, 2) {
		mods = append(mods, m.modifier())
	}
	if m.number(0, 5) == 0 {
		mods = append(mods, "l")
	}
	return "#{" + strings.Join(mods, ";") + ":" + m.target() + "}"
}

func (m *formatMaker) cond() string {
	if m.number(0, 1) == 0 {
		return m.name()
	}
	return m.pick("cond", "0", "1", "", m.variable(), m.comparison(), m.logic())
}

func (m *formatMaker) condition() string {
	s := "#{?" + m.cond() + "," + m.format()
	if !m.v.AtLeast(v36) {
		return s + "," + m.format() + "}"
	}
	for range m.number(0, 2) {
		s += "," + m.cond() + "," + m.format()
	}
	if m.number(0, 1) == 0 {
		s += "," + m.format()
	}
	return s + "}"
}

func (m *formatMaker) pair() string { return m.format() + "," + m.format() }

func (m *formatMaker) comparison() string {
	return "#{" + m.pick("op", "==", "!=", "<", ">", "<=", ">=") + ":" + m.pair() + "}"
}

func (m *formatMaker) logic() string {
	s := m.pair()
	if m.v.AtLeast(v36) && m.number(0, 1) == 0 {
		s += "," + m.format()
	}
	return "#{" + m.pick("op", "&&", "||") + ":" + s + "}"
}

func (m *formatMaker) match() string {
	if m.number(0, 1) == 0 {
		pattern := m.pick("pattern", "*", "*a*", "?", "[a-t]*", "*[!0-9]", "[[:alpha:]]*", "*é*", "\\%*", "[]x]*", m.variable())
		return "#{m" + m.pick("flags", "", "/i") + ":" + pattern + "," + m.format() + "}"
	}
	return "#{m/" + m.pick("flags", "r", "ri") + ":" + m.regex(2) + "," + m.format() + "}"
}

// regex draws what both engines read alike.
func (m *formatMaker) regex(depth int) string {
	if depth == 0 {
		return m.pick("atom", "a", "e", "[0-9]", "[a-m]", ".", "t", "1", "\\.", "%", "[^o]", "日", "[[:digit:]]", "[x-]")
	}
	switch m.number(0, 6) {
	case 0:
		return "(" + m.regex(depth-1) + ")"
	case 1:
		return m.regex(depth-1) + "|" + m.regex(depth-1)
	case 2:
		return m.regex(0) + m.pick("times", "*", "+", "?", "{1#}", "{1#,2#}", "{0#,#}")
	case 3:
		return "^" + m.regex(depth-1)
	case 4:
		return m.regex(depth-1) + "$"
	case 5:
		return "(" + m.regex(depth-1) + ")" + m.pick("times", "*", "+", "?", "{2#}")
	}
	return m.regex(depth-1) + m.regex(depth-1)
}

func (m *formatMaker) substitute() string {
	with := m.pick("with", "", "_", "<\\0>", "##I", "#{pane_index}", "\\\\", "é", "\\1")
	// A colon would end the argument.
	pattern := strings.ReplaceAll(m.regex(m.number(0, 2)), "[[:digit:]]", "[0-9]")
	target := m.target()
	if re, err := compileERE(strings.NewReplacer("#,", ",", "#}", "}").Replace(pattern), false); err == nil && re.re.MatchString("") {
		target = m.pick("ASCII", "pane_id", "pane_tty", "window_index", "#{pane_id}a{b#{pane_index}") // of others tmux makes bytes
	}
	return "#{s/" + pattern + "/" + with + m.pick("flags", "/", "/i", "/i;n") + ":" + target + "}"
}

func (m *formatMaker) sum() string {
	operand := func() string {
		return m.pick("operand", "1", "-3", "2.75", "", "x", "#{pane_index}", "#{pane_width}", "1e3", "0x1f", "#{window_index}", "0")
	}
	op := m.pick("op", "+", "-", "*", "/", "m", "%%", "==", "!=", ">", "<", ">=", "<=")
	if !m.times {
		op = strings.ReplaceAll(op, "%%", "%")
	}
	return "#{e|" + op + m.pick("flags", "", "|", "|f", "|f|4", "|f|0", "||2") + ":" + operand() + "," + operand() + "}"
}

func (m *formatMaker) character() string {
	return "#{a:" + m.pick("code", "65", "32", "126", "127", "x", "", "#{pane_width}") + "}"
}

func (m *formatMaker) exists() string {
	return "#{" + m.pick("what", "N", "N/w", "N/s") + ":" + m.pick("name", "two", "seq", "zoom me", "none", "#{session_name}", "#{window_name}") + "}"
}

func (m *formatMaker) loop() string {
	depth, loops := m.depth, m.loops
	m.depth, m.loops = max(depth, 3), true // what is repeated is small
	defer func() { m.depth, m.loops = depth, loops }()
	what := m.pick("loop", "S", "W", "P")
	if m.v.AtLeast(v36) && m.number(0, 1) == 0 {
		what += "/" + m.pick("order", "i", "n", "r", "nr", "ir")
		if strings.HasPrefix(what, "P") {
			what = m.pick("order", "P", "P/r")
		}
	}
	text := m.format()
	if what[0] != 'S' && m.number(0, 1) == 0 {
		text += "," + m.format()
	}
	return "#{" + what + ":" + text + "}"
}

func (m *formatMaker) repeat() string {
	return "#{R:" + m.format() + "," + m.pick("times", "1", "3", "0", "x", "#{pane_index}") + "}"
}

func (m *formatMaker) not() string { return "#{" + m.pick("not", "!", "!!") + ":" + m.format() + "}" }

// compared runs a command both ways. A format that this engine refuses for the
// reasons below has no result of its own.
func compared(t *rapid.T, c *control, snap *Snapshot, argv []string) {
	inv, perr := ParseArgv(argv, ParseOptions{Version: snap.Version})
	if perr != nil {
		t.Fatalf("%q: %v", argv, perr)
	}
	target, _ := inv[0].Get('t')
	found, err := Resolve(snap, inv[0].TargetLookup(), target, ResolveContext{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	base := FormatContext{Zone: time.Local, UID: os.Getuid(), Now: now}
	base.Host, _ = os.Hostname()
	if found.Session != nil && found.Session.Name == "two" {
		for i := range snap.Clients {
			if snap.Clients[i].PID == c.cmd.Process.Pid {
				base.Client = &snap.Clients[i]
			}
		}
	}
	var got []string
	if argv[0] == "display-message" {
		line, merr := Message(inv[0], snap, found, base, now)
		got, err = []string{line}, merr
	} else {
		got, err = Listing(inv[0], snap, found, base)
	}
	if err != nil {
		if strings.Contains(err.Error(), "reference into a choice") || strings.Contains(err.Error(), "beside an escaped #") ||
			strings.Contains(err.Error(), "ends a replacement") || strings.Contains(err.Error(), "repetition of an anchor") {
			return
		}
		t.Fatalf("%q: %v", argv, err)
	}
	line, err := QuoteControl(inv[0].Words())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(got, "\n")
	for left := 4; ; left-- {
		want, ok := c.ask(line)
		if ok && text == want {
			return
		}
		if left == 0 || !ok || !cutShort(snap.Version, argv, want) {
			t.Fatalf("%q:\n got %q\nwant %q", argv, text, want)
		}
	}
}

// wholeEnd is behind each format from 3.7 on: what tmux comes to last. An expansion that a busy
// machine held up is left unfinished there, without a word.
const wholeEnd = " #{?version,E whole,}"

// cutShort reports whether tmux may have left something of an answer unfinished: of a row that is
// seen, of a filter it is not.
func cutShort(v Version, argv []string, answer string) bool {
	return v.AtLeast(v37) && (slices.Contains(argv, "-f") ||
		slices.ContainsFunc(strings.Split(answer, "\n"), func(row string) bool { return !strings.HasSuffix(row, " E whole") }))
}

// formatsAgree compares what somebody who sees everything gets for a format with what
// tmux gives.
func formatsAgree(c *control, snap *Snapshot) func(*rapid.T) {
	lists := [][]string{
		{"list-panes", "-a"},
		{"list-panes", "-s", "-t", "three"},
		{"list-windows", "-a"},
		{"list-windows", "-t", "two"},
		{"list-sessions"},
		{"list-clients"},
		{"list-buffers"},
		{"display-message", "-p", "-t", "two:0.1"},
		{"display-message", "-p", "-t", "%0"},
		{"display-message", "-p", "-t", "three"},
	}
	return func(r *rapid.T) {
		argv := slices.Clone(rapid.SampledFrom(lists).Draw(r, "command"))
		times := argv[0] == "display-message"
		m := newFormatMaker(r, snap.Version, times)
		format := m.format()
		if snap.Version.AtLeast(v37) {
			format += wholeEnd
		}
		argv = append(argv, "-F", format)
		if !times && (argv[0] != "list-clients" && argv[0] != "list-sessions" || snap.Version.AtLeast(v34)) && m.number(0, 1) == 0 {
			argv = append(argv, "-f", m.format())
		}
		compared(r, c, snap, argv)
	}
}

// TestRandomFormatsAgreeWithTmux draws formats.
func TestRandomFormatsAgreeWithTmux(t *testing.T) {
	_, c, snap := busyServer(t)
	if !snap.Version.AtLeast(v33) {
		tmuxtest.Skip(t, "tmux %s cannot be asked everything", snap.Version)
	}
	for range soak.N(1000, 20) {
		rapid.Check(t, formatsAgree(c, snap))
	}
}

// FuzzFormatAgainstTmux draws them as a fuzzer likes.
func FuzzFormatAgainstTmux(f *testing.F) {
	_, c, snap := busyServer(f)
	if !snap.Version.AtLeast(v33) {
		tmuxtest.Skip(f, "tmux %s cannot be asked everything", snap.Version)
	}
	f.Add(chance(1))
	f.Add(chance(2))
	agree := rapid.MakeFuzz(formatsAgree(c, snap))
	f.Fuzz(func(t *testing.T, data []byte) {
		c.t = t
		agree(t, data)
	})
}
