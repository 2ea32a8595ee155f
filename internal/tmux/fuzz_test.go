package tmux

import (
	"bytes"
	"strings"
	"testing"
)

func FuzzParseArgv(f *testing.F) {
	for _, seed := range []string{"ls", "send-keys\x00-t\x00x\x00hello;\x00run-shell\x00id", "kill-p\x00-at%1", ";\x00;", "new\x00-e\x00A=b", "-?", "neww\x00--\x00-d", "info"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		opts := ParseOptions{Aliases: DefaultAliases()}
		all, err := ParseArgv(strings.Split(s, "\x00"), opts)
		if err != nil {
			if err.Text == "" || len(all) != 0 {
				t.Fatalf("%+v with %d commands", err, len(all))
			}
			return
		}
		for _, inv := range all {
			inv.Needs()
			// What is written is read back as the same one command.
			again, err := ParseArgv(inv.Argv(), ParseOptions{})
			if err != nil || len(again) != 1 || show(again) != show([]*Invocation{inv}) {
				t.Fatalf("%q: %s became %s (%v)", s, show([]*Invocation{inv}), show(again), err)
			}
			if _, err := QuoteControl(inv.Words()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzText reads any text: no crash, whatever is refused has its place, and what
// is read can be written and read again as the same commands.
func FuzzText(f *testing.F) {
	for _, text := range tricky {
		f.Add(text, uint8(0))
	}
	f.Fuzz(func(t *testing.T, text string, bits uint8) {
		opts := ParseOptions{Version: []Version{v32a, v33a, v34, v35, v36, v37}[bits>>2%6], OneGroup: bits&1 != 0}
		if bits&2 != 0 {
			opts.Aliases = []CommandAlias{{"send", "send-keys -t x ; " + text}, {"x", "ls ; send-keys"}}
			opts.Expand = &Expansion{
				Variable:  func(name string) (string, bool) { return name + "'\"\\;}", name != "" },
				Home:      func(user string) (string, bool) { return "/" + user, user != "a" },
				Condition: func(format string) bool { return len(format)%2 == 0 },
			}
		}
		parsed, err := ParseText(text, opts)
		if err != nil {
			lines := strings.Split(text, "\n")
			if at := err.At; err.Text == "" || at.Line < 1 || at.Line > len(lines) || at.Column < 1 || at.Column > len(lines[at.Line-1])+1 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, inv := range parsed.Commands {
			for _, n := range inv.Nested() {
				_, _ = n.Commands(opts)
			}
			inv.Needs()
		}
		writtenBack(t, parsed.Commands, opts)
	})
}

// FuzzTextAgainstTmux compares with a real server, which parses and runs nothing.
func FuzzTextAgainstTmux(f *testing.F) {
	for _, text := range tricky {
		f.Add(text)
	}
	r := startReading(f)
	f.Fuzz(func(t *testing.T, text string) {
		r.attach(t)
		if len(text) < 4096 {
			r.compareAs(t, "-nv", text)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, target := range targetForms() {
		f.Add(target, uint8(0))
	}
	snap := demandSnapshot()
	visible := snap.Visible(func(s *Session, _ *Winlink, p *Pane) bool { return p.ID == 2 })
	f.Fuzz(func(t *testing.T, target string, bits uint8) {
		how := Lookup{TargetKind(bits%3) + TargetSession, FindFlags(bits >> 4)}
		for _, in := range []*Snapshot{snap, visible} {
			for _, ctx := range []ResolveContext{{}, {Session: &snap.Sessions[0].ID}, {Pane: &snap.Panes[2].ID}} {
				found, err := Resolve(in, how, target, ctx)
				if err != nil && (found.Session != nil || found.Pane != nil || err.Error() == "") {
					t.Fatalf("%q: %+v with %v", target, found, err)
				}
				if in == visible && found.Pane != nil && found.Pane.ID != 2 {
					t.Fatalf("%q found the hidden %s", target, found.Pane.ID)
				}
			}
		}
		SplitOwner(target, func(s string) bool { return s == "bob" })
	})
}

func FuzzFormat(f *testing.F) {
	for _, text := range comparedFormats {
		f.Add(text)
	}
	for _, text := range []string{"#(", "#{?", "#{==:,}", "#{=;:x}", "#{t/f/:line}", "#{;", "#{p-:line}", "#"} {
		f.Add(text)
	}
	for _, m := range offeredModifiers() {
		f.Add(m.example)
	}
	for text := range refusedFormats() {
		f.Add(text)
	}
	var all []*Snapshot
	for _, v := range knownVersions() {
		all = append(all, guestSnapshot(v))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, snap := range all {
			format, err := CompileFormatFor(text, snap.Version)
			if err != nil {
				continue
			}
			c := contextOf(snap, Found{Session: &snap.Sessions[0], Link: &snap.Sessions[0].Links[0], Pane: &snap.Panes[0]})
			got := format.Expand(c)
			if strings.Contains(got, "\x1b") && !strings.Contains(text, "\x1b") || strings.Contains(got, hidden) && !strings.Contains(text, "session_path") {
				t.Fatalf("%s: %q expands to %q", snap.Version, text, got)
			}
			if len(got) > maxFormatOut {
				t.Fatalf("%q expands to %d bytes", text, len(got))
			}
		}
		// Literal text stays literal.
		if again, err := CompileFormat(EscapeFormat(text)); len(text) < maxFormat/2 && (err != nil || again.Expand(FormatContext{Snap: all[1]}) != text) {
			t.Fatalf("%q escaped to %q (%v)", text, EscapeFormat(text), err)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	f.Add([]byte("O 1 2 3.3a x\nM 11 $0 0 @0 %0\nS $0 2 0 1 0,1 0 0  name\nW 0 @0 *Z 0 off aafd,80x24,0,0,0 w\nA %0 0 0 9 /dev/pts/0\n" +
		"W 1 @1 - 0 top b25d,80x24,0,0[80x12,0,0,1,80x11,0,13,2] w2\nP %1 0 1 9 /dev/pts/1\nA %2 1 0 9 /dev/pts/2\n\n--\nC 9 $0 1 attached /dev/pts/1 /dev/pts/1\n--\ncommand-alias[0] a=b"))
	f.Add([]byte("O 1 2 3.3a \\\n\n--\n--\ncommand-alias[0] \"x=\\n\\033\\\"\n--\nB 1 2 \\  x"))
	full := "O 1 2 3.3a x external off /bin/sh  23 11 9\nS $0 2 0 1 0 1 0  5 1 /x name\nW 0 @0 * 0 off aafd,80x24,0,0,0 aafd,80x24,0,0,0 5 8 16 name w\n" +
		"A %0 0 0 9 /dev/pts/0 -1 0 80 24 00000 1 copy-mode 0 2000 560 0 0  cat /x cat" + strings.Repeat(" 0", 34) + " t\n\n--\n" +
		"C 9 $0 1 attached /dev/pts/1 1 80 24  0 xterm root" + strings.Repeat(" 0", 9) + " /dev/pts/1\n--\ncommand-alias[0] a=b\n--\nB 1 2 b x"
	if _, err := ParseSnapshot(Full, bytes.Split([]byte(full), []byte("\n--\n"))); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range []Detail{Core, Full} {
			snap, err := ParseSnapshot(d, bytes.Split(data, []byte("\n--\n")))
			if err != nil {
				continue
			}
			for i := range snap.Panes {
				if snap.Window(snap.Panes[i].Window) == nil {
					t.Fatal("a pane without its window")
				}
			}
			for _, target := range []string{"", "{last}", "+", "^", "{up-of}", "top", "%0", "@0", "$0"} {
				_, _ = Resolve(snap, Lookup{TargetPane, CanFail}, target, ResolveContext{})
			}
			for _, argv := range [][]string{{"ls"}, {"lsw", "-a"}, {"lsp", "-a"}, {"lsc"}, {"lsb"}} {
				inv, _ := ParseArgv(argv, ParseOptions{})
				if _, err := Listing(inv[0], snap, Found{}, FormatContext{}); err != nil {
					t.Fatal(err)
				}
			}
			snap.Visible(func(_ *Session, _ *Winlink, p *Pane) bool { return p.ID%2 == 0 })
		}
	})
}

func FuzzQuoteControl(f *testing.F) {
	for _, word := range nastyWords {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		line, err := QuoteControl([]string{"x", word, "y"})
		if err != nil {
			if !strings.Contains(word, "\x00") {
				t.Fatal(err)
			}
			return
		}
		if strings.ContainsAny(line, "\n\r\x00") || strings.IndexByte(line, 0xff) >= 0 {
			t.Fatalf("%q makes more than one line: %q", word, line)
		}
		if got, ok := readQuoted(line); !ok || len(got) != 3 || got[1] != word {
			t.Fatalf("%q reads back as %q from %q", word, got, line)
		}
	})
}

// readQuoted reads the part of tmux's language that QuoteControl writes, and
// refuses everything that would be expanded or end a command.
func readQuoted(line string) ([]string, bool) {
	var words []string
	for i := 0; i < len(line); {
		var b strings.Builder
		switch line[i] {
		case '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, false
			}
			b.WriteString(line[i+1 : i+1+end])
			i += end + 2
		case '"':
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '$' || line[i] == '~' {
					return nil, false
				}
				if line[i] != '\\' {
					b.WriteByte(line[i])
					continue
				}
				i++
				if line[i] >= '0' && line[i] <= '3' {
					b.WriteByte((line[i]-'0')<<6 | (line[i+1]-'0')<<3 | (line[i+2] - '0'))
					i += 2
				} else {
					b.WriteByte(line[i])
				}
			}
			i++
		default:
			for i < len(line) && line[i] != ' ' {
				if strings.IndexByte("'\"\\$~#;{}%", line[i]) >= 0 {
					return nil, false
				}
				b.WriteByte(line[i])
				i++
			}
		}
		words = append(words, b.String())
		if i < len(line) && line[i] != ' ' {
			return nil, false
		}
		i++
	}
	return words, true
}

func FuzzLayout(f *testing.F) {
	for _, seed := range []string{"80x24,0,0,1", "80x24,0,0[80x12,0,0,1,80x11,0,13{40x11,0,13,2,39x11,41,13,3}]", "9x9,0,0{"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		b, problem := readLayout(signed(body))
		if problem == "" && (b.width < 1 || b.height < 1 || strings.Trim(body, "0123456789x,{}[]") != "") {
			t.Fatalf("%q is a layout of %v", body, b)
		}
		if _, problem := readLayout(body); problem == "" && body != signed(body[5:]) && !strings.EqualFold(body, signed(body[5:])) {
			t.Fatalf("%q is a layout", body)
		}
	})
}
