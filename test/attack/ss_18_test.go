package attack

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
)

// lockedBuffer is a buffer that is filled by one and looked at by others.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// ReadFrom fills it until r ends.
func (b *lockedBuffer) ReadFrom(r interface{ Read([]byte) (int, error) }) (int64, error) {
	p := make([]byte, 32<<10)
	for n := int64(0); ; {
		k, err := r.Read(p)
		b.mu.Lock()
		b.buf.Write(p[:k])
		b.mu.Unlock()
		if n += int64(k); err != nil {
			return n, err
		}
	}
}

// Bytes is what is in it.
func (b *lockedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// The owner moves a lot over one connection that exchanges keys again and again.
// Each byte arrives, once, in both directions, and the
// connection neither hangs nor turns in circles.
func TestSS18Rekeying(t *testing.T) {
	row{ssh: true, teeth: "teeth_ssh", restless: true, unlogged: true, attack: func(w *world) {
		exchanges := 0
		c := w.dialRekeying(&exchanges)
		data := make([]byte, 4<<20)
		_, _ = rand.Read(data)
		for i := range data { // what a buffer of tmux can hold
			data[i] = 'a' + data[i]%26
		}
		want := fmt.Sprintf("%x", sha256.Sum256(data))
		for range soak.N(128, 2) {
			if err := w.runSSH(c, "load-buffer -b big -", data, nil); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := w.runSSH(c, "show-buffer -b big", nil, &got); err != nil {
				t.Fatal(err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(got.Bytes())); sum != want {
				w.gain("%d bytes of %d came back", got.Len(), len(data))
			}
		}
		if exchanges < 4 {
			t.Errorf("keys were exchanged %d times", exchanges)
		}
		_ = c.Close()
	}}.run(t)
}

// dialRekeying connects with a client that wants new keys each MiB, and counts how
// often it got some.
func (w *world) dialRekeying(exchanges *int) *ssh.Client {
	w.t.Helper()
	nc, err := net.DialTimeout("tcp", w.SSHAddr(), 10*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(time.Duration(soak.N(3600, 60)) * time.Second))
	var mu sync.Mutex
	config := &ssh.ClientConfig{User: "x", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.signerOf(owner))},
		HostKeyCallback: func(string, net.Addr, ssh.PublicKey) error {
			mu.Lock()
			defer mu.Unlock()
			*exchanges++
			return nil
		}}
	config.RekeyThreshold = 1 << 20
	conn, channels, requests, err := ssh.NewClientConn(nc, w.SSHAddr(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	c := ssh.NewClient(conn, channels, requests)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// runSSH runs a command line on a connection, with a standard input and output.
func (w *world) runSSH(c *ssh.Client, line string, in []byte, out *bytes.Buffer) error {
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	var errs bytes.Buffer
	s.Stdin, s.Stderr = bytes.NewReader(in), &errs
	if out != nil {
		s.Stdout = out
	}
	if err := s.Run(line); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, errs.String())
	}
	return nil
}
