package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// all is every message once or more, with the side that reads it.
func all() map[Side][]Message {
	return map[Side][]Message{
		ServerSide: {
			&Version{}, &IdentifyFlags{Flags: 0x10000}, &IdentifyTerm{Term: "xterm-256color"}, &IdentifyTerm{},
			&IdentifyTTYName{Name: "/dev/pts/3"}, &IdentifyOldCwd{Path: "/"}, &IdentifyStdin{}, &IdentifyStdout{},
			&IdentifyEnviron{Var: "A=b"}, &IdentifyDone{}, &IdentifyClientPID{PID: -3}, &IdentifyCwd{Path: "/tmp"},
			&IdentifyFeatures{Features: 1 << 31}, &IdentifyLongFlags{Flags: 1<<39 | 1}, &IdentifyTerminfo{Cap: "am=1"},
			&Command{Argv: []string{}}, &Command{Argv: []string{"ls"}}, &Command{Argv: []string{"", "a b", ""}},
			&Exiting{}, &Resize{}, &Shell{}, &Unlock{}, &Wakeup{},
			&Read{Stream: 3, Data: []byte("data")}, &Read{Stream: 3, Data: []byte{}}, &ReadDone{Stream: 3, Error: 2},
			&WriteReady{Stream: 1, Error: 13},
		},
		ClientSide: {
			&Version{}, &Detach{Session: "work"}, &DetachKill{Session: "work"}, &Exit{}, &Exit{Code: -1},
			&Exit{Code: 1, Message: "no"}, &Exited{}, &Lock{Command: "lock -np"}, &Ready{}, &Shell{Path: "/bin/sh"},
			&Shutdown{}, &Suspend{}, &Exec{Command: "ls", Shell: "/bin/sh"}, &Flags{Flags: 1 << 35},
			&ReadOpen{Stream: 3, FD: -1, Path: "/etc/motd"}, &ReadOpen{Stream: 4, Path: "-"}, &ReadCancel{Stream: 4},
			&WriteOpen{Stream: 3, FD: -1, Flags: 0x400, Path: "/tmp/x"}, &Write{Stream: 1, Data: []byte("hello\n")},
			&WriteClose{Stream: 3},
		},
	}
}

func TestEveryMessageThereAndBack(t *testing.T) {
	seen := map[Type]bool{}
	for side, ms := range all() {
		for _, m := range ms {
			seen[m.Type()] = true
			p, err := m.appendPayload(nil)
			if err != nil {
				t.Errorf("%#v: %v", m, err)
				continue
			}
			got, err := Parse(side, m.Type(), p)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%s: got %#v, %v; want %#v", m.Type(), got, err, m)
			}
			if strings.HasPrefix(m.Type().String(), "unknown") {
				t.Errorf("%d has no name", uint32(m.Type()))
			}
		}
	}
	for n := range uint32(1000) {
		if typeName(Type(n)) != "" && !seen[Type(n)] {
			t.Errorf("%s is not in the table of this test", Type(n))
		}
	}
	if got := Type(213).String(); got != "unknown-213" {
		t.Errorf("213 is called %s", got)
	}
}

// TestGoldenBytes compares with bytes written down by hand from the layout.
func TestGoldenBytes(t *testing.T) {
	fd := NewFD(1 << 20) // never used as a descriptor here
	for _, tt := range []struct {
		f    Framing
		m    Message
		want string
	}{
		{Unknown, &Ready{}, "cf000000 1000 0000 08000000 ffffffff"},
		{Legacy, &Ready{}, "cf000000 1000 0000 08000000 ffffffff"},
		{Wide, &Ready{}, "cf000000 10000000 08000000 ffffffff"},
		{Legacy, &IdentifyStdin{FD: fd}, "68000000 1000 0100 08000000 ffffffff"},
		{Wide, &IdentifyStdin{FD: fd}, "68000000 10000080 08000000 ffffffff"},
		{Wide, &IdentifyStdout{FD: fd}, "6e000000 10000080 08000000 ffffffff"},
		{Legacy, &IdentifyTerm{Term: "vt"}, "65000000 1300 0000 08000000 ffffffff 767400"},
		{Legacy, &Command{Argv: []string{"ls", "-F"}}, "c8000000 1a00 0000 08000000 ffffffff 02000000 6c7300 2d4600"},
		{Legacy, &WriteOpen{Stream: 1, FD: 1, Path: "-"}, "2f010000 1e00 0000 08000000 ffffffff 01000000 01000000 00000000 2d00"},
		{Wide, &Exit{Code: 1, Message: "x"}, "cb000000 16000000 08000000 ffffffff 01000000 7800"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendMessage(nil, tt.f, tt.m)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s %s: %x, %v; want %x", tt.f, tt.m.Type(), got, err, want)
		}
	}
	if _, err := AppendMessage(nil, Unknown, &IdentifyStdin{FD: fd}); err == nil {
		t.Error("a descriptor was marked in an unknown framing")
	}
}

func TestFramingOf(t *testing.T) {
	for v, want := range map[string]Framing{
		"3.2a": Legacy, "tmux 3.3a": Legacy, "3.5a\n": Legacy, "3.6": Wide, "tmux 3.6b": Wide, "3.10": Wide,
		"next-3.6": Wide, "next-3.5": Legacy, "master": Wide, "4.0": Wide, "2.9a": Legacy,
	} {
		if got, err := FramingOf(v); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", v, got, err, want)
		}
	}
	for _, v := range []string{"", "tmux", "3", "x.y", "-1.2", "openbsd-7.8"} {
		if got, err := FramingOf(v); err == nil {
			t.Errorf("%q was taken for %s", v, got)
		}
	}
}

func TestHeader(t *testing.T) {
	head := func(word string) []byte {
		b, err := hex.DecodeString("68000000" + word + "08000000ffffffff")
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, tt := range []struct {
		word        string
		before, got Framing
		fd, ok      bool
	}{
		{"10000000", Unknown, Unknown, false, true},
		{"10000100", Unknown, Legacy, true, true},
		{"10000080", Unknown, Wide, true, true},
		{"10000100", Legacy, Legacy, true, true},
		{"10000080", Wide, Wide, true, true},
		{"10000080", Legacy, Legacy, false, false}, // the other one's mark
		{"10000100", Wide, Wide, false, false},
		{"10000180", Unknown, Unknown, false, false}, // both marks
		{"10000200", Unknown, Unknown, false, false}, // no flag that exists
		{"10000040", Wide, Wide, false, false},
		{"00400000", Unknown, Unknown, false, true}, // 16384
		{"01400000", Unknown, Unknown, false, false},
		{"ffff0000", Unknown, Unknown, false, false},
		{"0f000000", Unknown, Unknown, false, false},
		{"00000000", Unknown, Unknown, false, false},
	} {
		f := tt.before
		h, err := decodeHeader(head(tt.word), &f)
		if (err == nil) != tt.ok || f != tt.got || tt.ok && h.fd != tt.fd {
			t.Errorf("%s in %s: %+v, %s, %v", tt.word, tt.before, h, f, err)
		}
		if !tt.ok && reason(err) != ReasonFrame {
			t.Errorf("%s: %v", tt.word, err)
		}
	}
}

func TestParseIsStrict(t *testing.T) {
	for _, tt := range []struct {
		side Side
		t    Type
		p    string
	}{
		{ServerSide, TypeIdentifyFlags, "123"},
		{ServerSide, TypeIdentifyFlags, "12345"},
		{ServerSide, TypeIdentifyLongFlags, "1234"},
		{ServerSide, TypeIdentifyTerm, ""},
		{ServerSide, TypeIdentifyTerm, "vt100"},
		{ServerSide, TypeIdentifyTerm, "vt\x00100\x00"},
		{ServerSide, TypeIdentifyStdin, "x"},
		{ServerSide, TypeIdentifyDone, "x"},
		{ServerSide, TypeCommand, ""},
		{ServerSide, TypeCommand, "\x01\x00\x00\x00"},
		{ServerSide, TypeCommand, "\x01\x00\x00\x00ls"},
		{ServerSide, TypeCommand, "\x01\x00\x00\x00ls\x00-F\x00"},
		{ServerSide, TypeCommand, "\x02\x00\x00\x00ls\x00"},
		{ServerSide, TypeCommand, "\xff\xff\xff\xffls\x00"},
		{ServerSide, TypeCommand, "\xe9\x03\x00\x00" + strings.Repeat("\x00", 1001)},
		{ServerSide, TypeCommand, "\x00\x00\x00\x00\x00"},
		{ServerSide, TypeShell, "/bin/sh\x00"},
		{ServerSide, TypeRead, "123"},
		{ServerSide, TypeReadDone, "1234"},
		{ServerSide, TypeReady, ""},
		{ServerSide, TypeWrite, "1234"},
		{ServerSide, 12345, ""},
		{ClientSide, TypeIdentifyDone, ""},
		{ClientSide, TypeCommand, "\x00\x00\x00\x00"},
		{ClientSide, TypeResize, ""},
		{ClientSide, TypeExit, "123"},
		{ClientSide, TypeExit, "1234x"},
		{ClientSide, TypeExec, "ls\x00"},
		{ClientSide, TypeExec, "ls\x00/bin/sh\x00x\x00"},
		{ClientSide, TypeShell, ""},
		{ClientSide, TypeShell, "\x00"},
		{ClientSide, TypeReadOpen, "1234"},
		{ClientSide, TypeReadOpen, "12345678path"},
		{ClientSide, TypeWriteOpen, "12345678"},
		{ClientSide, 211, ""},
		{0, TypeReady, ""},
	} {
		if m, err := Parse(tt.side, tt.t, []byte(tt.p)); err == nil || m != nil {
			t.Errorf("%s %q was taken: %#v", tt.t, tt.p, m)
		} else if r := reason(err); r != ReasonPayload && r != ReasonType {
			t.Errorf("%s %q: %v", tt.t, tt.p, err)
		}
	}
	m, err := Parse(ClientSide, TypeWriteOpen, []byte("\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	if w, ok := m.(*WriteOpen); err != nil || !ok || w.Path != "" {
		t.Errorf("the path of a standard stream is left out: %#v, %v", m, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	for _, m := range []Message{
		&IdentifyTerm{Term: "a\x00b"},
		&IdentifyEnviron{Var: strings.Repeat("x", MaxPayload)},
		&Command{Argv: make([]string, 1001)},
		&Command{Argv: []string{"a\x00b"}},
		&Write{Data: make([]byte, MaxChunk+1)},
		&Exec{Command: "\x00"},
	} {
		b, err := AppendMessage([]byte("before"), Legacy, m)
		if err == nil || string(b) != "before" {
			t.Errorf("%s was encoded: %d bytes, %v", m.Type(), len(b), err)
		}
	}
	if b, err := AppendMessage(nil, Legacy, &Write{Data: make([]byte, MaxChunk)}); err != nil || len(b) != MaxMessage {
		t.Errorf("the largest chunk: %d bytes, %v", len(b), err)
	}
}

// FuzzParse: whatever is parsed means what its own encoding means.
func FuzzParse(f *testing.F) {
	for side, ms := range all() {
		for _, m := range ms {
			p, err := m.appendPayload(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(side), uint32(m.Type()), p)
		}
	}
	f.Fuzz(func(t *testing.T, side byte, typ uint32, p []byte) {
		m, err := Parse(Side(side), Type(typ), p)
		if err != nil {
			if reason(err) == 0 {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := m.appendPayload(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(Side(side), Type(typ), again)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%#v became %#v, %v", m, got, err)
		}
	})
}

func TestErrorsAreTyped(t *testing.T) {
	err := refuse(ReasonOrder, TypeResize, "too early")
	if err.Error() != "bad order in resize message: too early" || reason(err) != ReasonOrder {
		t.Error(err)
	}
	var v *VersionError
	if !errors.As(error(&VersionError{Theirs: 7}), &v) || !strings.Contains(v.Error(), "theirs 7") {
		t.Error(v)
	}
	for r := ReasonFrame; r <= ReasonLimit; r++ {
		if r.String() == "none" {
			t.Errorf("reason %d has no name", r)
		}
	}
}
