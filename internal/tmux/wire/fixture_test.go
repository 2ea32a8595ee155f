package wire

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordedConversations plays back what real clients and servers said to
// each other (see record_test.go): each message is understood, and its
// encoding gives the recorded bytes again.
func TestRecordedConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/tmux-*/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures: ", err)
	}
	for _, path := range files {
		version := filepath.Base(filepath.Dir(path))
		framing, err := FramingOf(strings.TrimPrefix(version, "tmux-"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(version+"/"+strings.TrimSuffix(filepath.Base(path), ".jsonl"), func(t *testing.T) {
			noLeak(t, func(t *testing.T) {
				lines, err := loadFixture(path)
				if err != nil {
					t.Fatal(err)
				}
				playClient(t, framing, lines)
				playServer(t, lines)
			})
		})
	}
}

// playClient has our server read what the client said.
func playClient(t *testing.T, framing Framing, lines []line) {
	t.Helper()
	c, peer := serverPair(t)
	var raw []byte
	for _, l := range lines {
		if l.From != "client" {
			continue
		}
		b, err := hex.DecodeString(l.Hex)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b...)
		n := 0
		if l.FD {
			n = 1
		}
		sendFDs(t, peer, b, n)
	}
	_ = peer.CloseWrite()
	var again []byte
	ctx := testContext(t)
	for {
		m, err := c.ReadMsg(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		again = append(again, mustAppend(t, framing, m)...)
		if fd := carries(m); fd != nil {
			_ = fd.Close()
		}
	}
	if !bytes.Equal(raw, again) {
		t.Errorf("encoded anew:\n%x\nrecorded:\n%x", again, raw)
	}
	if c.Framing() != framing {
		t.Errorf("framing %s, want %s", c.Framing(), framing)
	}
}

// playServer has our client read what the server said.
func playServer(t *testing.T, lines []line) {
	t.Helper()
	a, peer := socketPair(t)
	c := NewClient(a, Unknown)
	defer c.Close()
	ctx := testContext(t)
	for _, l := range lines {
		if l.From != "server" {
			continue
		}
		b, err := hex.DecodeString(l.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Write(b); err != nil {
			t.Fatal(err)
		}
		m, err := c.ReadMsg(ctx)
		if err != nil {
			t.Fatal(l.Type, err)
		}
		if again := mustAppend(t, Unknown, m); m.Type().String() != l.Type || !bytes.Equal(again, b) {
			t.Errorf("%s encoded anew:\n%x\nrecorded:\n%x", l.Type, again, b)
		}
	}
}

// TestRecordedIntroductions checks that Accept takes them whole.
func TestRecordedIntroductions(t *testing.T) {
	for name, want := range map[string]string{
		"list-sessions": "list-sessions -F #{session_name}", "attach-detach": "attach-session -t work",
		"control-attach": "attach-session -t work", "kill-server": "kill-server",
	} {
		files, err := filepath.Glob("testdata/tmux-*/" + name + ".jsonl")
		if err != nil || len(files) == 0 {
			t.Fatal(name, err)
		}
		for _, path := range files {
			lines, err := loadFixture(path)
			if err != nil {
				t.Fatal(err)
			}
			h := acceptRecorded(t, testContext(t), lines)
			if got := strings.Join(h.Argv, " "); got != want || h.PID != 4711 || h.Term != "xterm" {
				t.Errorf("%s: %+v", path, h)
			}
			if tty := name == "attach-detach"; tty != (h.TTYName == "/dev/pts/0") || tty != (len(h.Terminfo) > 20) {
				t.Errorf("%s: terminal %q, %d capabilities", path, h.TTYName, len(h.Terminfo))
			}
			if h.Flags.Has(FlagControl) != (name == "control-attach") {
				t.Errorf("%s: flags %#x", path, h.Flags)
			}
		}
	}
}

func acceptRecorded(t *testing.T, ctx context.Context, lines []line) *Hello {
	t.Helper()
	c, peer := serverPair(t)
	for _, l := range lines {
		b, err := hex.DecodeString(l.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if l.From != "client" {
			continue
		}
		n := 0
		if l.FD {
			n = 1
		}
		sendFDs(t, peer, b, n)
	}
	h, err := c.Accept(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = h.Close(), c.Close()
	return h
}
