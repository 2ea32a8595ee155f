package wire

import (
	"context"
	"testing"
)

func BenchmarkFileChunk(b *testing.B) {
	c, peer := serverPair(b)
	sender := NewClient(peer, Legacy)
	ctx := context.Background()
	if err := sender.WriteMsg(ctx, greeting(hello("ls"))...); err != nil {
		b.Fatal(err)
	}
	if _, err := c.Accept(ctx, nil); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, MaxChunk)
	b.SetBytes(MaxChunk)
	b.ReportAllocs()
	for b.Loop() {
		if err := sender.ReadStream(ctx, 3, data); err != nil {
			b.Fatal(err)
		}
		if _, err := c.ReadMsg(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		c, peer := serverPair(b)
		client := NewClient(peer, Legacy)
		if err := client.Identify(ctx, hello("ls")); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Accept(ctx, nil); err != nil {
			b.Fatal(err)
		}
		_, _ = c.Close(), client.Close()
	}
}
