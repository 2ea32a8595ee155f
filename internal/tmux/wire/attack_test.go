package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// frame is a message as nobody should send it: any length word, any data.
func frame(t Type, word uint32, data []byte) []byte {
	b := appendHeader(nil, t)
	binary.LittleEndian.PutUint32(b[4:], word)
	return append(b, data...)
}

// hostile reads everything from a server that was sent b, and checks how that
// ends: with a reason, closed, and little memory held. The sender hangs up
// after b, or is silent for as long as the server is ready to wait.
func hostile(t *testing.T, b []byte, silence time.Duration) error {
	t.Helper()
	c, peer := serverPair(t)
	hold := silence > 0
	go func() {
		_, _ = peer.Write(b)
		if !hold {
			_ = peer.CloseWrite()
		}
	}()
	if !hold {
		silence = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	h, err := c.Accept(ctx, nil)
	for err == nil {
		_, err = c.ReadMsg(ctx)
	}
	if h != nil {
		_ = h.Close()
	} else if c.Err() == nil {
		t.Errorf("refused with %v and still open", err)
	}
	if len(c.buf) > 64<<10 {
		t.Errorf("%d bytes are held", len(c.buf))
	}
	typed := reason(err) != 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	var v *VersionError
	if !typed && !errors.As(err, &v) && !(hold && errors.Is(err, context.DeadlineExceeded)) {
		t.Errorf("no reason: %v", err)
	}
	_ = c.Close()
	return err
}

// types is every number near one that exists.
func types() []Type {
	list := []Type{0, 1, 0xffffffff, 99}
	for t := range Type(320) {
		if typeName(t) != "" || typeName(t-1) != "" || typeName(t+1) != "" {
			list = append(list, t)
		}
	}
	return list
}

func TestHostileMessages(t *testing.T) {
	begun := mustAppend(t, Legacy, &IdentifyLongFlags{Flags: FlagUTF8}, &IdentifyTTYName{})
	done := mustAppend(t, Legacy, append(greeting(hello("ls"))[:9], &IdentifyDone{})...)
	whole := mustAppend(t, Legacy, greeting(hello("ls"))...)
	noLeak(t, func(t *testing.T) {
		for _, typ := range types() {
			for _, before := range [][]byte{nil, begun, done, whole} {
				for _, mark := range []uint32{0, 1 << 16, 1 << 31} {
					for name, f := range map[string][]byte{
						"short":     frame(typ, mark|(HeaderSize+3), []byte{1, 2, 3}),
						"long":      frame(typ, mark|MaxMessage, make([]byte, MaxPayload)),
						"too long":  frame(typ, mark|(MaxMessage+1), make([]byte, MaxPayload+1)),
						"0xffff":    frame(typ, mark|0xffff, make([]byte, 100)),
						"no header": frame(typ, mark|15, nil),
						"empty":     frame(typ, mark|HeaderSize, nil),
					} {
						twice := append(append(append([]byte{}, before...), f...), f...)
						if err := hostile(t, twice, 0); err == nil {
							t.Errorf("%s %s: no error", typ, name)
						}
					}
				}
			}
		}
	})
}

func TestHalfAMessageThenSilence(t *testing.T) {
	whole := mustAppend(t, Legacy, greeting(hello("ls"))...)
	noLeak(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 8, 15, 16, 17, len(whole) - 1} {
			if err := hostile(t, whole[:n], 10*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %d bytes: %v", n, err)
			}
		}
		// A refusal does not wait for the rest of a message.
		for _, b := range [][]byte{
			frame(TypeReady, 20, nil), frame(TypeIdentifyTerm, 1<<16|20, nil), frame(TypeCommand, 0xffff, nil),
		} {
			if err := hostile(t, b, 30*time.Second); reason(err) == 0 {
				t.Errorf("%x: %v", b, err)
			}
		}
	})
}

// TestRandomConversations changes good introductions in bad ways.
func TestRandomConversations(t *testing.T) {
	h := hello("new-session", "-s", "x")
	h.Stdin, h.Stdout = NewFD(0), NewFD(0)
	good := [2][]byte{mustAppend(t, Legacy, greeting(h)...), mustAppend(t, Wide, greeting(h)...)}
	rng := rand.New(rand.NewPCG(1, 2))
	const batch = 1000 // what a test registers to clean up must not pile up
	for range soak.N(1_000_000, 5_000) / batch {
		noLeak(t, func(t *testing.T) {
			for range batch {
				randomConversation(t, rng, good[rng.IntN(2)])
			}
		})
	}
}

func randomConversation(t *testing.T, rng *rand.Rand, good []byte) {
	b := append([]byte{}, good...)
	for range 1 + rng.IntN(3) {
		mutate(rng, b)
	}
	c, peer := serverPair(t)
	sendFDs(t, peer, b[:1+rng.IntN(len(b))], rng.IntN(3))
	_ = peer.CloseWrite()
	ctx := testContext(t)
	got, err := c.Accept(ctx, nil)
	for err == nil {
		_ = got.Close()
		_, err = c.ReadMsg(ctx)
	}
	if c.Err() == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("still open after %v", err)
	}
	_ = peer.Close()
}

// TestRandomPayloads: no data makes the codec do anything but answer.
func TestRandomPayloads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	list := types()
	b := make([]byte, 64)
	for range soak.N(1_000_000, 10_000) {
		p := b[:rng.IntN(len(b))]
		for i := range p {
			p[i] = byte(rng.Uint32() >> 24 & rng.Uint32()) // many zeros
		}
		side := Side(rng.IntN(3))
		m, err := Parse(side, list[rng.IntN(len(list))], p)
		if (m == nil) == (err == nil) || err != nil && reason(err) == 0 {
			t.Fatalf("%#v, %v", m, err)
		}
	}
}

func mutate(rng *rand.Rand, b []byte) {
	i := rng.IntN(len(b))
	switch rng.IntN(4) {
	case 0:
		b[i] ^= 1 << rng.IntN(8)
	case 1:
		b[i] = byte(rng.Uint32())
	case 2:
		copy(b[i:], b[rng.IntN(len(b)):])
	case 3:
		if i+4 < len(b) {
			binary.LittleEndian.PutUint32(b[i:], uint32(types()[rng.IntN(len(types()))]))
		}
	}
}

// FuzzAccept has the server's side read any bytes, in two pieces, with up to
// three descriptors on the second.
func FuzzAccept(f *testing.F) {
	h := hello("ls")
	h.Stdin = NewFD(0)
	f.Add(mustAppend(f, Legacy, greeting(h)...), uint16(1), uint8(1))
	f.Add(mustAppend(f, Wide, greeting(h)...), uint16(40), uint8(1))
	f.Add(mustAppend(f, Legacy, append(greeting(hello("ls")), &Resize{}, &Read{Data: []byte("x")})...), uint16(3), uint8(0))
	f.Add(frame(TypeIdentifyStdin, 1<<31|HeaderSize, nil), uint16(0), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, at uint16, fds uint8) {
		b = b[:min(len(b), 64<<10)]
		cut := min(int(at), len(b))
		c, peer := serverPair(t)
		_, _ = peer.Write(b[:cut])
		if cut < len(b) {
			sendFDs(t, peer, b[cut:], int(fds%4))
		}
		_ = peer.CloseWrite()
		ctx := testContext(t)
		got, err := c.Accept(ctx, nil)
		for err == nil {
			_ = got.Close()
			_, err = c.ReadMsg(ctx)
		}
		if c.Err() == nil || len(c.pending) != 0 || len(c.buf) > 64<<10 {
			t.Fatalf("after %v: open, %d pending, %d bytes", err, len(c.pending), len(c.buf))
		}
	})
}
