package pam

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// FuzzProcessSays: whatever the process says, the daemon lets nobody in but whom it asked
// for, and comes to an end.
func FuzzProcessSays(f *testing.F) {
	frames := func(messages ...any) []byte {
		var b bytes.Buffer
		for i := 0; i < len(messages); i += 2 {
			if err := writeFrame(&b, messages[i].(number), messages[i+1]); err != nil {
				f.Fatal(err)
			}
		}
		return b.Bytes()
	}
	f.Add(frames(numHello, hello{version}, numSay, say{Hidden, []byte("Password: "), false}, numEnd, end{OK: true, Account: []byte("alice")}))
	f.Add(frames(numHello, hello{version}, numEnd, end{OK: true, Account: []byte("root")}))
	f.Add(frames(numHello, hello{version}, numEnd, end{Step: "account", Why: []byte("\xff\x1b[2J")}))
	f.Add(frames(numHello, hello{7}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0, 1, 5})
	f.Fuzz(func(t *testing.T, said []byte) {
		ours, theirs, err := socketPair()
		if err != nil {
			t.Fatal(err)
		}
		defer ours.Close()
		go func() {
			defer theirs.Close()
			_, _ = theirs.Write(said)
			_ = unix.Shutdown(int(theirs.Fd()), unix.SHUT_WR)
			_, _ = io.Copy(io.Discard, theirs) // what the daemon answers
		}()
		c := conversation{p: &process{line: ours, exited: make(chan struct{})}, who: &scripted{answers: []string{"a", "b"}}, work: 5 * time.Second}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if c.begin(ctx, Request{Service: "muxward", Account: "alice"}) != nil || c.login(ctx, "alice") != nil {
			return
		}
		var last end
		for r := bytes.NewReader(said); ; {
			n, body, err := readFrame(r)
			if err != nil {
				t.Fatalf("let in without an end: %q", said)
			}
			if n == numEnd && decode(numEnd, body, &last) == nil {
				break
			}
		}
		if !last.OK || string(last.Account) != "alice" {
			t.Fatalf("let in by %q", said)
		}
	})
}

// FuzzDaemonSays: whatever the daemon says, no module is asked for anybody unless the
// line began with that.
func FuzzDaemonSays(f *testing.F) {
	var b bytes.Buffer
	_ = writeFrame(&b, numBegin, begin{version, "muxward", "alice", ""})
	_ = writeFrame(&b, numAnswer, answer{[]byte("open sesame")})
	_ = writeFrame(&b, numAnswer, answer{[]byte("123 \xff")})
	f.Add(b.Bytes())
	f.Add([]byte("\x00\x00\x00\x03\x02{}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		var out bytes.Buffer
		began := false
		_ = Serve(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(said), &out}, func(r Request, say Converse) (Transaction, error) {
			began = true
			return &modules{role: "plain", r: r, say: say}, nil
		})
		var first begin
		if began && (expect(bytes.NewReader(said), numBegin, &first) != nil || first.Version != version) {
			t.Fatalf("began by %q", said)
		}
		for out.Len() > 0 {
			if _, _, err := readFrame(&out); err != nil {
				t.Fatalf("it answers what is no frame: %v", err)
			}
		}
	})
}
