package control

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func BenchmarkRoundTrip(b *testing.B) {
	s := tmuxtest.Start(b, tmuxtest.Config{})
	s.NewSession("one", "cat")
	c := open(b, s, Options{})
	for name, line := range map[string]string{
		"display-message": "display-message -p x",
		"send-keys":       "send-keys -t %0 -H 61",
		"guarded":         "if-shell -F -t %0 '#{==:#{pane_in_mode},0}' 'send-keys -t %0 -H 61' 'display-message -p refused'",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			all := make([]time.Duration, 0, b.N)
			for b.Loop() {
				began := time.Now()
				if _, err := c.Do(context.Background(), line); err != nil {
					b.Fatal(err)
				}
				all = append(all, time.Since(began))
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1000, "p99-µs")
		})
	}
}

func BenchmarkPipelined(b *testing.B) {
	s := tmuxtest.Start(b, tmuxtest.Config{})
	c := open(b, s, Options{})
	for name, window := range map[string]int{"64 in flight": 64, "1000 in flight": 1000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			flight := make([]*Pending, window)
			i := 0
			for b.Loop() {
				if p := flight[i%window]; p != nil {
					if _, err := p.Wait(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				p, err := c.Send("display-message -p x")
				if err != nil {
					b.Fatal(err)
				}
				flight[i%window] = p
				i++
			}
			if err := c.Drain(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(i)/b.Elapsed().Seconds(), "cmds/s")
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := tmuxtest.Start(b, tmuxtest.Config{})
	for _, name := range []string{"one", "two", "three"} {
		s.NewSession(name, "cat")
		s.Run("split-window", "-t", name, "cat")
	}
	m := newModel(b, open(b, s, Options{}))
	for name, d := range map[string]tmux.Detail{"core": tmux.Core, "full": tmux.Full} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Current(context.Background(), d, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
