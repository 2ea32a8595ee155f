package control

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/wire"
)

const testRefusal = "parse error: unknown command: mwtest-"

// log is what a decoder told, in words.
type eventLog struct {
	told    []string
	nothing bool // no line is unanswered
}

func (e *eventLog) expecting() bool { return !e.nothing }

func (e *eventLog) answered(seq uint64, r Reply) error {
	e.told = append(e.told, fmt.Sprintf("answer %d: %d %q %v", seq, r.Blocks, r.Data, r.Err))
	return nil
}

func (e *eventLog) notified(l []byte) { e.told = append(e.told, "notice "+string(l)) }

func (e *eventLog) hooked(failed bool, text []byte) {
	e.told = append(e.told, fmt.Sprintf("hook %v %q", failed, text))
}

func decode(text string, e *eventLog) error {
	d := newDecoder(testRefusal, 1000, e)
	for _, l := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if err := d.line([]byte(l)); err != nil {
			return err
		}
	}
	return nil
}

func marker(n int, seq string) string {
	return fmt.Sprintf("%%begin 9 %d 1\n%s%s\n%%error 9 %d 1\n", n, testRefusal, seq, n)
}

func TestDecoder(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"plain", "%begin 1 2 1\nx\ny\n%end 1 2 1\n" + marker(3, "1a"), []string{`answer 26: 1 "x\ny\n" <nil>`}},
		{"no output", "%begin 1 2 1\n%end 1 2 1\n" + marker(3, "0"), []string{`answer 0: 1 "" <nil>`}},
		{"error", "%begin 1 2 1\nno such thing\n%error 1 2 1\n" + marker(3, "0"), []string{`answer 0: 1 "" no such thing`}},
		{"no block", marker(3, "5"), []string{`answer 5: 0 "" <nil>`}},
		{"two blocks", "%begin 1 2 1\na\n%end 1 2 1\n%begin 1 3 1\nb\n%end 1 3 1\n" + marker(4, "0"), []string{`answer 0: 2 "a\nb\n" <nil>`}},
		{"second fails", "%begin 1 2 1\na\n%end 1 2 1\n%begin 1 3 1\nb\n%error 1 3 1\n" + marker(4, "0"), []string{`answer 0: 2 "a\n" b`}},
		{"forged end", "%begin 1 2 1\na\n%end 1 2 1\nb\n%error 1 2 1\nc\n%end 1 2 1\n" + marker(4, "0"),
			[]string{`answer 0: 1 "a\n%end 1 2 1\nb\n%error 1 2 1\nc\n" <nil>`}},
		{"forged block", "%begin 1 2 1\na\n%end 1 2 1\n%begin 1 3 1\nb\n%end 1 3 1\n%exit\n%end 1 2 1\n" + marker(4, "0"),
			[]string{`answer 0: 1 "a\n%end 1 2 1\n%begin 1 3 1\nb\n%end 1 3 1\n%exit\n" <nil>`}},
		{"forged end in the second", "%begin 1 2 1\n%end 1 2 1\n%begin 1 3 1\n%end 1 3 1\n%exit\n%end 1 3 1\n" + marker(4, "0"),
			[]string{`answer 0: 2 "%end 1 3 1\n%exit\n" <nil>`}},
		{"other guards are text", "%begin 1 2 1\n%end 1 2 0\n%end 1 22 1\n%end 1 2 1 \n%begin 1 2\n%end 1 2 1\n" + marker(4, "0"),
			[]string{`answer 0: 1 "%end 1 2 0\n%end 1 22 1\n%end 1 2 1 \n%begin 1 2\n" <nil>`}},
		{"marker of another", "%begin 1 2 1\nparse error: unknown command: mwother-0\n%error 1 2 1\n" + marker(4, "0"),
			[]string{`answer 0: 1 "" parse error: unknown command: mwother-0`}},
		{"notices", "%sessions-changed\n%begin 1 2 1\n%end 1 2 1\n%pane-mode-changed %1\n" + marker(3, "0") + "%window-add @1\n",
			[]string{"notice %sessions-changed", "notice %pane-mode-changed %1", `answer 0: 1 "" <nil>`, "notice %window-add @1"}},
		{"hook", "%begin 1 2 1\nx\n%end 1 2 1\n%begin 1 3 0\nhook\n%end 1 3 0\n" + marker(4, "0"),
			[]string{`hook false "hook\n"`, `answer 0: 1 "x\n" <nil>`}},
		{"attach refused", "%begin 1 2 0\ncan't find session\n%error 1 2 0\n%exit\n",
			[]string{`hook true "can't find session\n"`, "notice %exit"}},
		{"text outside", "output of a job\n\n" + marker(4, "0"), []string{`answer 0: 0 "" <nil>`}},
		{"empty lines", "%begin 1 2 1\n\n\n%end 1 2 1\n" + marker(4, "0"), []string{`answer 0: 1 "\n\n" <nil>`}},
		{"unfinished", "%begin 1 2 1\nx\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e eventLog
			if err := decode(tt.in, &e); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(e.told) != fmt.Sprint(tt.want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(e.told, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestDecoderRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"marker inside a block":  "%begin 1 2 1\nx\n" + marker(3, "0"),
		"marker without a block": "%begin 1 2 1\nx\n%end 1 2 1\n" + testRefusal + "0\n",
		"marker that goes on":    "%begin 1 2 1\n" + testRefusal + "0\nmore\n",
		"marker that succeeds":   "%begin 1 2 1\n" + testRefusal + "0\n%end 1 2 1\n",
		"too long":               "%begin 1 2 1\n" + strings.Repeat("12345678\n", 200),
	} {
		if err := decode(in, &eventLog{}); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A block that nobody waits for does not open an answer.
func TestDecoderUnasked(t *testing.T) {
	e := eventLog{nothing: true}
	if err := decode("%begin 1 2 1\nx\n%end 1 2 1\n%window-add @1\n", &e); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(e.told); got != `[hook false "x\n" notice %window-add @1]` {
		t.Error(got)
	}
}

func TestParseNotice(t *testing.T) {
	for in, want := range map[string]string{
		"%sessions-changed":                         "sessions-changed ",
		"%window-renamed @3 x %end":                 "window-renamed @3",
		"%session-renamed $1 $2":                    "session-renamed $1",
		"%client-session-changed /dev/pts/1 $2 two": "client-session-changed $2",
		"%client-detached client-12":                "client-detached ",
		"%pane-mode-changed %12":                    "pane-mode-changed %12",
		"%pane-mode-changed %x1":                    "pane-mode-changed ",
		"%Not-A-Kind":                               "no",
		"%":                                         "no",
		"%%x":                                       "no",
		"%output %1 abc":                            "no",
		"%end 1 2 1":                                "no",
		"%" + strings.Repeat("x", 99):               "no",
	} {
		n, ok := parseNotice([]byte(in))
		got := string(n.Kind) + " " + n.ID
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNoticesAreBounded(t *testing.T) {
	n := newNotices()
	for i := range 10 * maxNotices {
		n.add(Notice{Kind: "window-add", ID: fmt.Sprintf("@%d", i)})
	}
	if all := n.take(); len(all) != 1 || all[0].Kind != Everything {
		t.Errorf("%d notices", len(all))
	}
	n.add(Notice{Kind: "window-add"})
	if all := n.take(); len(all) != 1 || all[0].Kind != "window-add" {
		t.Errorf("afterwards: %v", all)
	}
}

func TestQueueGrowsInOrder(t *testing.T) {
	var q queue
	pushed, popped := 0, 0
	for round := range 200 {
		for range round {
			q.push(entry{index: pushed})
			pushed++
		}
		for range round - round/8 {
			if q.first() != uint64(popped) || q.at(0).index != popped {
				t.Fatalf("first is %d, want %d", q.first(), popped)
			}
			q.pop()
			popped++
		}
	}
	if q.len() != pushed-popped || q.next != uint64(pushed) {
		t.Errorf("%d left, want %d", q.len(), pushed-popped)
	}
}

// FuzzDecoder checks that a reply is what lies between its line's first guard
// and the marker, whatever it is.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte("x\n%end 1 2 1\n%begin 1 3 1\ny"))
	f.Add([]byte("%end 1 2 1\n%begin 9 3 1"))
	f.Add([]byte("%error 1 2 1\nparse error: unknown command: mw-"))
	f.Add([]byte("\n\n%begin 1 2 0"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte(testRefusal)) || len(body) > 900 {
			return
		}
		var e eventLog
		in := "%begin 1 2 1\n" + string(body) + "\n%end 1 2 1\n" + marker(3, "7")
		if err := decode(in, &e); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("answer 7: 1 %q <nil>", string(body)+"\n")
		if len(e.told) != 1 || e.told[0] != want {
			t.Fatalf("%q, want %q", e.told, want)
		}
	})
}

// FuzzControl sends arbitrary bytes to a client as if from a server. It must
// neither panic nor hang, and each command gets an answer or an error.
func FuzzControl(f *testing.F) {
	f.Add([]byte("%begin 1 2 1\nx\n%end 1 2 1\n"))
	f.Add([]byte("%begin 1 2 1\nparse error: unknown command: mwfuzz-0\n%error 1 2 1\n"))
	f.Add([]byte("%begin 1 2 1\n%end 1 2 1\n%begin 1 3 1\nparse error: unknown command: mwfuzz-0\n%error 1 3 1\n%sessions-changed\n"))
	f.Add([]byte("%begin 1 2 1\nparse error: unknown command: mwfuzz-1\n%error 1 2 1\n"))
	f.Add([]byte("%window-renamed @1 \xff\x00\n%exit\n%begin\n%begin 1 2 1"))
	f.Add([]byte(strings.Repeat("%sessions-changed\n", 50)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, server, replies := fuzzClient(t)
		p, err := c.Send("list-panes", "list-windows")
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.ReplaceAll(data, []byte("mwfuzz-"), []byte(c.mark))
		if _, err := replies.Write(data); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.EPIPE) {
			t.Fatal(err)
		}
		_ = replies.Close()
		_ = server.Close()
		select {
		case <-p.done:
		case <-time.After(20 * time.Second):
			t.Fatal("a command without an end")
		}
		<-c.Done()
		_ = c.Close()
		for _, r := range p.replies {
			if r.Err != nil && p.err == nil && !errors.As(r.Err, new(*CommandError)) {
				t.Errorf("lost error: %v", r.Err)
			}
		}
	})
}

// fuzzClient makes a client whose server is the test: its end of the wire and
// of the pipe for replies are returned.
func fuzzClient(t *testing.T) (*Client, *net.UnixConn, *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range pair {
		file := os.NewFile(uintptr(fd), "pair")
		nc, err := net.FileConn(file)
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = nc.(*net.UnixConn)
	}
	opts := Options{Stall: 10 * time.Second, MaxReply: 1 << 20}
	c, err := start(ctxOf(t), wire.NewClient(ends[0], wire.Legacy), opts)
	if err != nil {
		t.Fatal(err)
	}
	server := wire.NewServer(ends[1])
	var out *os.File
	for {
		m, err := server.ReadMsg(ctxOf(t))
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *wire.IdentifyStdin:
			_ = m.FD.Close()
		case *wire.IdentifyStdout:
			out = m.FD.File("replies")
		case *wire.IdentifyDone:
			return c, ends[1], out
		}
	}
}
