package sshd

import (
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestProofIsHeldToItsLine: what is written to a key's line holds for whoever has
// come with it, too, also if the clock went on while nobody looked.
func TestProofIsHeldToItsLine(t *testing.T) {
	for name, change := range map[string]func(*bed, *conn){
		"it expires soon": func(b *bed, c *conn) {
			at := time.Now().Add(time.Hour).Truncate(time.Second)
			b.ahead.Store(int64(time.Until(at) - 200*time.Millisecond))
			b.list("alice", at.UTC().Format(`expiry-time="20060102150405Z" `))
			if un := b.server.Reconsider(t.Context()); len(un) > 0 {
				t.Error(un)
			}
		},
		"the clock goes on": func(b *bed, c *conn) {
			b.list("alice", time.Now().Add(time.Hour).UTC().Format(`expiry-time="20060102150405Z" `))
			b.server.Reconsider(t.Context())
			b.ahead.Store(int64(2 * time.Hour))
			b.server.Reconsider(t.Context())
		},
		"no terminal": func(b *bed, c *conn) {
			b.list("alice", "restrict ")
			b.server.Reconsider(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, nil, 1)
			b.dial(newValve(false), ssh.Config{})
			c := b.conn()
			change(b, c)
			b.gone(c)
		})
	}
}
