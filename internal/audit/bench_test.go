package audit

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
)

// measured runs f b.N times and reports percentiles.
func measured(b *testing.B, f func() error) {
	b.ReportAllocs()
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-µs")
}

func benchLog(b *testing.B) *Log {
	return open(b, Options{Dir: newDir(b), probe: 250 * time.Millisecond})
}

func benchEvent() access.Event {
	uid := int64(1001)
	return access.Event{Kind: access.EventAttach, Request: 12345, Person: "carol", Account: "carol", UID: &uid, PID: 4711, Door: "tmux",
		Asked: []string{"send-keys", "-t", "work:1.2", "x"}, Executed: []string{"send-keys", "-t", "%7", "-H", "78"},
		Objects: []string{"alice/$1:@3.%7"}, Verbs: []string{"type"}, Server: "4711-1700000000-abcdef", Allowed: true, Rule: "grants.yaml:12"}
}

func BenchmarkMustRecord(b *testing.B) {
	l, ev := benchLog(b), benchEvent()
	measured(b, func() error { _, err := l.Append(context.Background(), access.MustRecordClass, ev); return err })
}

func BenchmarkBestEffort(b *testing.B) {
	l, ev := benchLog(b), benchEvent()
	measured(b, func() error { _, err := l.Append(context.Background(), access.BestEffortClass, ev); return err })
}

func BenchmarkKey(b *testing.B) {
	l := benchLog(b)
	k := l.Keys(context.Background(), benchEvent())
	defer k.Close()
	measured(b, func() error { return k.Add(context.Background(), 1, nil, false) })
}

// The pace of a person: the caller sleeps in between, so that everything is
// cold.
func BenchmarkKeyPaced(b *testing.B) {
	l := benchLog(b)
	k := l.Keys(context.Background(), benchEvent())
	defer k.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var took []time.Duration
	for b.Loop() {
		<-tick.C
		began := time.Now()
		if err := k.Add(context.Background(), 1, nil, false); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-µs")
}

func BenchmarkKeyMust(b *testing.B) {
	l := benchLog(b)
	k := l.Keys(context.Background(), benchEvent())
	defer k.Close()
	measured(b, func() error { return k.Add(context.Background(), 1, nil, true) })
}

// Many callers share syncs.
func BenchmarkMustRecord64Callers(b *testing.B) {
	l, ev := benchLog(b), benchEvent()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(context.Background(), access.MustRecordClass, ev); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkDeniedFlood(b *testing.B) {
	l := benchLog(b)
	b.ReportAllocs()
	ev := access.Event{Kind: access.EventDenied, Person: "mallory", Asked: []string{"kill-server"}}
	for b.Loop() {
		if _, err := l.Append(context.Background(), access.BestEffortClass, ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	dir := newDir(b)
	l, ev := open(b, Options{Dir: dir}), benchEvent()
	for range 20000 {
		if _, err := l.Append(context.Background(), access.BestEffortClass, ev); err != nil {
			b.Fatal(err)
		}
	}
	shut(b, l)
	key := publicKey(b, dir)
	for b.Loop() {
		if _, err := Verify(context.Background(), dir, key, VerifyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*20000/b.Elapsed().Seconds(), "records/s")
}
