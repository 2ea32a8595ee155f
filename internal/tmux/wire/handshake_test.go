package wire

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// accept has a server accept exactly these bytes.
func accept(t *testing.T, b []byte) (*Hello, error) {
	t.Helper()
	c, peer := serverPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = peer.Write(b)
		_ = peer.CloseWrite()
	}()
	h, err := c.Accept(testContext(t), nil)
	if err != nil && c.Err() == nil {
		t.Error("refused, and the connection is still open")
	}
	<-done
	return h, err
}

func TestAcceptTellsAll(t *testing.T) {
	want := hello("new-session", "-A", "-s", "a b")
	want.Features = 7
	want.Flags |= FlagControl | 1<<33
	got, err := accept(t, mustAppend(t, Legacy, greeting(want)...))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	// The order of our own client, and the longer goodbye of tmux 3.5.
	lead, body, last := want.introduction()
	ms := append(append(lead, body...), &IdentifyLongFlags{Flags: want.Flags})
	got, err = accept(t, mustAppend(t, Wide, append(ms, last...)...))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if got, err = accept(t, mustAppend(t, Legacy, &IdentifyDone{}, &Shell{})); err != nil || !got.Shell {
		t.Errorf("shell: %+v, %v", got, err)
	}
}

// Of a client that has much to say it is asked once whether that is kept. If so
// nothing is missing, if not nothing is there; either way its command is heard.
func TestAcceptAsksWhetherItIsWorth(t *testing.T) {
	big := hello("list-sessions")
	for range 3 {
		big.Env = append(big.Env, "BIG="+strings.Repeat("x", SmallHello/2))
	}
	for name, c := range map[string]struct {
		of   *Hello
		keep bool
		err  error
		asks int
	}{
		"little":      {hello("list-sessions"), false, nil, 0},
		"kept":        {big, true, nil, 1},
		"not kept":    {big, false, nil, 1},
		"not allowed": {big, true, errors.New("no"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			conn, peer := serverPair(t)
			go func() { _, _ = peer.Write(mustAppend(t, Legacy, greeting(c.of)...)) }()
			asked := 0
			got, err := conn.Accept(testContext(t), func(context.Context) (bool, error) { asked++; return c.keep, c.err })
			if asked != c.asks || !errors.Is(err, c.err) {
				t.Fatalf("asked %d times, %v", asked, err)
			}
			switch {
			case err != nil:
			case c.asks == 0 || c.keep:
				if !reflect.DeepEqual(got, c.of) {
					t.Errorf("got %+v\nwant %+v", got, c.of)
				}
			case len(got.Env)+len(got.Terminfo)+len(got.Cwd)+len(got.Term)+len(got.TTYName) > 0 || !reflect.DeepEqual(got.Argv, c.of.Argv):
				t.Errorf("got %.300v", got)
			}
		})
	}
}

func TestGetenv(t *testing.T) {
	h := &Hello{Env: []string{"A=1", "B", "A=2=3", "="}}
	if v, ok := h.Getenv("A"); v != "2=3" || !ok {
		t.Errorf("A is %q, %v", v, ok)
	}
	if v, ok := h.Getenv("B"); ok {
		t.Errorf("B is %q", v)
	}
}

func TestAcceptRefuses(t *testing.T) {
	many := func(n int, m Message) []Message {
		ms := make([]Message, n)
		for i := range ms {
			ms[i] = m
		}
		return ms
	}
	long := strings.Repeat("x", MaxPayload-1)
	for name, tt := range map[string]struct {
		ms   []Message
		want Reason
	}{
		"command first":            {[]Message{&Command{Argv: []string{"ls"}}}, ReasonOrder},
		"resize first":             {[]Message{&Resize{}}, ReasonOrder},
		"term twice":               {[]Message{&IdentifyTerm{}, &IdentifyTerm{}}, ReasonOrder},
		"flags twice":              {[]Message{&IdentifyFlags{}, &IdentifyFlags{}}, ReasonOrder},
		"other long flags":         {[]Message{&IdentifyLongFlags{Flags: 1}, &IdentifyLongFlags{Flags: 2}}, ReasonOrder},
		"identify after done":      {[]Message{&IdentifyDone{}, &IdentifyTerm{}}, ReasonOrder},
		"done twice":               {[]Message{&IdentifyDone{}, &IdentifyDone{}}, ReasonOrder},
		"resize instead":           {[]Message{&IdentifyDone{}, &Resize{}}, ReasonOrder},
		"a server's message":       {[]Message{&Ready{}}, ReasonOrder},
		"too many variables":       {many(maxEnvCount+1, &IdentifyEnviron{Var: "A=b"}), ReasonLimit},
		"too long an environment":  {many(65, &IdentifyEnviron{Var: long}), ReasonLimit},
		"too many capabilities":    {many(maxTerminfoCount+1, &IdentifyTerminfo{Cap: "am=1"}), ReasonLimit},
		"too long capabilities":    {many(17, &IdentifyTerminfo{Cap: long}), ReasonLimit},
		"descriptor without mark":  {[]Message{&IdentifyStdin{}}, ReasonDescriptor},
		"descriptor does not come": {[]Message{&IdentifyStdin{FD: NewFD(0)}}, ReasonDescriptor},
	} {
		if h, err := accept(t, mustAppend(t, Legacy, tt.ms...)); h != nil || reason(err) != tt.want {
			t.Errorf("%s: %+v, %v; want reason %s", name, h, err, tt.want)
		}
	}
}

func TestLateMessagesAreRefused(t *testing.T) {
	for _, late := range []Message{
		&Command{Argv: []string{"ls"}}, &Shell{}, &IdentifyDone{}, &IdentifyEnviron{Var: "A=b"}, &IdentifyTerm{},
	} {
		c, peer := serverPair(t)
		_, _ = peer.Write(mustAppend(t, Legacy, append(greeting(hello("ls")), &Resize{}, late)...))
		ctx := testContext(t)
		if _, err := c.Accept(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if m, err := c.ReadMsg(ctx); err != nil || m.Type() != TypeResize {
			t.Fatal(m, err)
		}
		for range 2 { // and it stays refused
			if m, err := c.ReadMsg(ctx); reason(err) != ReasonOrder {
				t.Errorf("%s after the command: %v, %v", late.Type(), m, err)
			}
		}
	}
}

func TestAcceptEndsWithItsContext(t *testing.T) {
	c, peer := serverPair(t)
	_, _ = peer.Write(mustAppend(t, Legacy, &IdentifyTerm{Term: "xterm"})[:9])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := c.Accept(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || c.Err() == nil {
		t.Fatal(err, c.Err())
	}
}

func TestIdentifyIsAccepted(t *testing.T) {
	for _, f := range []Framing{Legacy, Wide} {
		for _, size := range []int{10, 40_000, 600_000} {
			noLeak(t, func(t *testing.T) { identifyAndAccept(t, f, size) })
		}
	}
}

func identifyAndAccept(t *testing.T, f Framing, size int) {
	c, peer := serverPair(t)
	client := NewClient(peer, f)
	defer client.Close()
	want := hello("attach-session", "-t", "work")
	want.Stdin, want.Stdout = devNull(t), devNull(t)
	for n := 0; n < size; n += 10_000 {
		want.Env = append(want.Env, "X="+strings.Repeat("x", min(size, 10_000)))
	}
	sent := make(chan error, 1)
	go func() { sent <- client.Identify(testContext(t), want) }()
	got, err := c.Accept(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.Stdin.Int() < 0 || got.Stdout.Int() < 0 || got.Stdin.Int() == got.Stdout.Int() {
		t.Errorf("descriptors: %v, %v", got.Stdin, got.Stdout)
	}
	if c.Framing() != f {
		t.Errorf("framing is %s, want %s", c.Framing(), f)
	}
	if want.Stdin.Int() < 0 {
		t.Error("the caller's descriptor was taken")
	}
	if !reflect.DeepEqual(got.Env, want.Env) || !reflect.DeepEqual(got.Argv, want.Argv) {
		t.Error("environment or command differ")
	}
}

func TestIdentifyThatCannotBeSentCloses(t *testing.T) {
	c, peer := serverPair(t)
	client := NewClient(peer, Unknown)
	h := hello("ls")
	h.Stdin = devNull(t)
	if err := client.Identify(testContext(t), h); err == nil || client.Err() == nil {
		t.Errorf("a descriptor went out in unknown framing: %v", err)
	}
	if err := c.Identify(testContext(t), h); err == nil {
		t.Error("a server identified itself")
	}
}
