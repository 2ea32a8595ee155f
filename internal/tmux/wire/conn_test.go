package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReadMsgAcrossWrites(t *testing.T) {
	c, peer := serverPair(t)
	b := mustAppend(t, Legacy, greeting(hello("ls"))...)
	go func() {
		for i := range b { // byte by byte: every message is split everywhere
			if _, err := peer.Write(b[i : i+1]); err != nil {
				return
			}
		}
	}()
	h, err := c.Accept(testContext(t), nil)
	if err != nil || len(h.Argv) != 1 || h.Argv[0] != "ls" {
		t.Fatalf("%+v, %v", h, err)
	}
}

func TestReadMsgEnds(t *testing.T) {
	whole := mustAppend(t, Legacy, &IdentifyTerm{Term: "xterm"})
	t.Run("between messages", func(t *testing.T) {
		c, peer := serverPair(t)
		_, _ = peer.Write(whole)
		_ = peer.Close()
		if _, err := c.ReadMsg(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadMsg(testContext(t)); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
	t.Run("within a message", func(t *testing.T) {
		c, peer := serverPair(t)
		_, _ = peer.Write(whole[:len(whole)-1])
		_ = peer.Close()
		if _, err := c.ReadMsg(testContext(t)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	})
	t.Run("closed by us", func(t *testing.T) {
		c, _ := serverPair(t)
		got := make(chan error, 1)
		go func() {
			_, err := c.ReadMsg(context.Background())
			got <- err
		}()
		_ = c.Close()
		if err := <-got; !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		if err := c.WriteMsg(context.Background(), &Ready{}); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	})
	t.Run("other end gone without reading", func(t *testing.T) {
		c, peer := serverPair(t)
		_, _ = peer.Write(whole)
		if err := c.WriteMsg(testContext(t), &Ready{}); err != nil {
			t.Fatal(err)
		}
		_ = peer.Close() // the kernel makes this a reset
		if m, err := c.ReadMsg(testContext(t)); err != nil || m.Type() != TypeIdentifyTerm {
			t.Fatal(m, err)
		}
		if _, err := c.ReadMsg(testContext(t)); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if err := c.WriteMsg(testContext(t), &Ready{}); err == nil {
			t.Fatal("nobody was there to write to")
		}
	})
}

func TestContextEndsReadAndLeavesTheConnection(t *testing.T) {
	c, peer := serverPair(t)
	half := mustAppend(t, Legacy, &IdentifyTerm{Term: "xterm"})
	_, _ = peer.Write(half[:7])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if _, err := c.ReadMsg(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	got := make(chan error, 1)
	go func() {
		_, err := c.ReadMsg(ctx)
		got <- err
	}()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, _ = peer.Write(half[7:])
	m, err := c.ReadMsg(testContext(t))
	if term, ok := m.(*IdentifyTerm); err != nil || !ok || term.Term != "xterm" {
		t.Fatalf("%#v, %v", m, err)
	}
}

func TestContextEndsWrite(t *testing.T) {
	c, _ := serverPair(t)
	chunk := make([]byte, MaxChunk)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // nobody reads: the socket fills
		err = c.WriteStream(ctx, 1, chunk)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	// Waiting for another writer ends too.
	c.wsem <- struct{}{}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	if err := c.WriteMsg(ctx, &Ready{}); !errors.Is(err, context.Canceled) && c.Err() == nil {
		t.Fatal(err)
	}
	<-c.wsem
}

func TestTornWriteCloses(t *testing.T) {
	c, peer := serverPair(t)
	ms := make([]Message, 40)
	for i := range ms {
		ms[i] = &Write{Stream: 1, Data: make([]byte, MaxChunk)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.WriteMsg(ctx, ms...) }()
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	cancel() // some of it is out, and it does not all fit into the socket
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := c.Err(); !errors.Is(err, context.Canceled) {
		t.Fatalf("half a message was sent, and the connection is %v", err)
	}
}

func TestVersionMismatch(t *testing.T) {
	t.Run("server tells the client", func(t *testing.T) {
		c, peer := serverPair(t)
		b := mustAppend(t, Legacy, &IdentifyTerm{Term: "xterm"})
		b[8] = 7
		_, _ = peer.Write(b)
		var v *VersionError
		if _, err := c.Accept(testContext(t), nil); !errors.As(err, &v) || v.Theirs != 7 {
			t.Fatal(err)
		}
		got, err := io.ReadAll(peer)
		if want := mustAppend(t, Unknown, &Version{}); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the client was told %x, %v; want %x", got, err, want)
		}
	})
	t.Run("client is told", func(t *testing.T) {
		a, peer := socketPair(t)
		c := NewClient(a, Legacy)
		defer c.Close()
		b := mustAppend(t, Legacy, &Version{})
		b[8] = 9
		_, _ = peer.Write(b)
		var v *VersionError
		if _, err := c.ReadMsg(testContext(t)); !errors.As(err, &v) || v.Theirs != 9 {
			t.Fatal(err)
		}
	})
}

func TestBufferStaysSmall(t *testing.T) {
	c, peer := serverPair(t)
	ms := append(greeting(hello("ls")), &Resize{})
	b := mustAppend(t, Legacy, ms...)
	for range 20 {
		b = append(b, mustAppend(t, Legacy, &Read{Stream: 3, Data: make([]byte, MaxChunk)})...)
	}
	go func() { _, _ = peer.Write(b) }()
	ctx := testContext(t)
	if _, err := c.Accept(ctx, nil); err != nil {
		t.Fatal(err)
	}
	for range 21 {
		if _, err := c.ReadMsg(ctx); err != nil {
			t.Fatal(err)
		}
		if len(c.buf) > 64<<10 {
			t.Fatalf("%d bytes are held", len(c.buf))
		}
	}
}

// Three small allocations are the net package's, for the two system calls; the
// chunk itself is copied by nobody but the kernel.
func TestFileDataHardlyAllocates(t *testing.T) {
	c, peer := serverPair(t)
	sender := NewClient(peer, Legacy)
	if err := sender.WriteMsg(testContext(t), greeting(hello("ls"))...); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := c.Accept(ctx, nil); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, MaxChunk)
	got := testing.AllocsPerRun(100, func() {
		if err := sender.ReadStream(ctx, 3, data); err != nil {
			t.Fatal(err)
		}
		m, err := c.ReadMsg(ctx)
		if r, ok := m.(*Read); err != nil || !ok || len(r.Data) != len(data) {
			t.Fatalf("%T, %v", m, err)
		}
	})
	if got > 4 {
		t.Errorf("%v allocations for each chunk of a file", got)
	}
}
