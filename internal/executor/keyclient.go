package executor

import (
	"bytes"
	"context"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// maxPrinted is how much is kept of what a command prints that a key has asked
// for: a line is shown of it.
const maxPrinted = 4 << 10

// keyClient is a person's client for what they ask for by a key: their terminal
// shows their display, so what is printed is kept, and their files are left
// alone.
type keyClient struct {
	gateway.Client
	files chan wire.Message
	limit int // of what is kept

	mu  sync.Mutex
	out bytes.Buffer
}

func newKeyClient(c gateway.Client) *keyClient {
	return &keyClient{Client: c, files: make(chan wire.Message, 16), limit: maxPrinted}
}

// Print keeps what is printed, up to a limit.
func (c *keyClient) Print(_ context.Context, _ int, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.Write(data[:min(len(data), c.limit-c.out.Len())])
	return nil
}

func (c *keyClient) printed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// Send passes nothing on. To open a file is refused.
func (c *keyClient) Send(ctx context.Context, msgs ...wire.Message) error {
	for _, m := range msgs {
		var answer wire.Message
		switch m := m.(type) {
		case *wire.WriteOpen:
			answer = &wire.WriteReady{Stream: m.Stream, Error: int32(unix.EPERM)}
		case *wire.ReadOpen:
			answer = &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EPERM)}
		default:
			continue
		}
		select {
		case c.files <- answer:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Files gives the refusals.
func (c *keyClient) Files() <-chan wire.Message { return c.files }
