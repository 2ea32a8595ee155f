package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/soak"
)

func TestAppendsAreOrderedAndProved(t *testing.T) {
	dir := newDir(t)
	const people, each = 8, 100
	seen := map[uint64]bool{}
	var mu sync.Mutex
	for life := range 3 {
		l := open(t, Options{Dir: dir, SegmentSize: 8 << 10})
		var all sync.WaitGroup
		for p := range people {
			all.Go(func() {
				last := uint64(0)
				for i := range each {
					class := access.Class(i % 2)
					ev := access.Event{Kind: access.EventAttach, Person: fmt.Sprint("p", p), Note: fmt.Sprint(life, i)}
					seq, err := l.Append(context.Background(), class, ev)
					if err != nil || seq <= last {
						t.Errorf("person %d, event %d: %d after %d, %v", p, i, seq, last, err)
						return
					}
					last = seq
					mu.Lock()
					if seen[seq] {
						t.Errorf("number %d was given twice", seq)
					}
					seen[seq] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		shut(t, l)
		proved(t, dir)
	}
	recs := all(t, dir, Filter{Kind: access.EventAttach})
	if len(recs) != 3*people*each {
		t.Errorf("%d records, want %d", len(recs), 3*people*each)
	}
	for _, rec := range recs {
		if !seen[rec.Seq] {
			t.Errorf("record %d was never acknowledged", rec.Seq)
		}
	}
	if rep := proved(t, dir); rep.Signed != rep.Records || rep.Segments < 3 {
		t.Errorf("after a good end: %+v", rep)
	}
}

// One sync must serve all who wait: with a sync that does not end, any number
// of must-record events take two syncs, not one each.
func TestGroupCommit(t *testing.T) {
	f := &faults{}
	dir := newDir(t)
	l := open(t, withFaults(Options{Dir: dir}, f))
	gate := make(chan struct{})
	began := make(chan struct{}, 100)
	f.set(func(f *faults) {
		f.syncs = 0
		f.sync = func(string) error { began <- struct{}{}; <-gate; return nil }
	})
	var people sync.WaitGroup
	for i := range 50 {
		people.Go(func() { must(t, l, access.Event{Kind: access.EventAttach, Count: i + 1}) })
	}
	<-began
	eventually(t, "all are written", func() bool { return len(all(t, dir, Filter{Kind: access.EventAttach})) == 50 })
	close(gate)
	people.Wait()
	f.set(func(f *faults) {
		if f.syncs > 4 {
			t.Errorf("%d syncs for 50 events that waited together", f.syncs)
		}
		f.sync = nil
	})
}

func TestMustRecordWaitsForTheDisk(t *testing.T) {
	f := &faults{}
	dir := newDir(t)
	l := open(t, withFaults(Options{Dir: dir}, f))
	gate := make(chan struct{})
	f.set(func(f *faults) { f.sync = func(string) error { <-gate; return nil } })
	seq, err := leftWritten(t, l, dir, access.MustRecordClass, intent(5, "kill-server"))
	if !errors.Is(err, context.Canceled) || seq == 0 {
		t.Fatalf("append with a disk that does not sync: %d, %v", seq, err)
	}
	done, err := leftWritten(t, l, dir, access.UrgentClass, intent(6, "lockdown"))
	if !errors.Is(err, context.Canceled) || done == 0 {
		t.Fatalf("append what is urgent with a disk that does not sync: %d, %v", done, err)
	}
	best(t, l, access.Event{Kind: access.EventOutcome, Request: 6, Ref: done, Allowed: true})
	// Others go on.
	best(t, l, access.Event{Kind: access.EventKeys, Person: "carol"})
	eventually(t, "slowness is told", func() bool { h := l.Health(); return h.OK && h.Slow && h.Reason != "" })
	close(gate)
	eventually(t, "slowness is over", func() bool { return !l.Health().Slow })
	eventually(t, "the abandoned intent is closed", func() bool {
		for _, rec := range all(t, dir, Filter{Kind: access.EventOutcome}) {
			if rec.Ref == seq && rec.Request == 5 && strings.Contains(rec.Note, "not executed") {
				return true
			}
		}
		return false
	})
	outcomes := 0
	for _, rec := range all(t, dir, Filter{Kind: access.EventOutcome}) {
		if rec.Ref == done {
			outcomes++
		}
		if rec.Ref == done && strings.Contains(rec.Note, "not executed") {
			t.Error("the log says that what is urgent was not executed")
		}
	}
	if outcomes != 1 {
		t.Errorf("what is urgent has %d outcomes", outcomes)
	}
	f.set(func(f *faults) { f.sync = nil })
}

// leftWritten appends an event for somebody who leaves once it is written, however long that takes, and
// whether or not it is on the disk.
func leftWritten(t *testing.T, l *Log, dir string, class access.Class, ev access.Event) (uint64, error) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var seq uint64
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		seq, err = l.Append(ctx, class, ev)
	}()
	eventually(t, "it is written", func() bool {
		return slices.ContainsFunc(all(t, dir, Filter{Kind: ev.Kind}), func(r Record) bool { return r.Request == ev.Request })
	})
	leave()
	<-answered
	return seq, err
}

func TestIntentsWithoutOutcomeEndAsUnknown(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 2000})
	long := must(t, l, intent(1, "attach"))
	must(t, l, intent(2, "ls"))
	must(t, l, access.Event{Kind: access.EventOutcome, Request: 2})
	for i := range 50 {
		best(t, l, access.Event{Kind: access.EventAttach, Count: i})
	}
	late := must(t, l, intent(3, "kill-pane\n"))
	shut(t, l)
	for range 2 { // the second start finds nothing to add
		shut(t, open(t, Options{Dir: dir, SegmentSize: 2000}))
	}
	recs := all(t, dir, Filter{Kind: access.EventUnknown})
	if len(recs) != 2 || recs[0].Ref != long || recs[0].Request != 1 || recs[1].Ref != late || recs[1].Person != "bob" {
		t.Errorf("unknown events: %+v", recs)
	}
	proved(t, dir)
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	_, err := Open(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("in use by another muxward (process %d)", os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	must(t, l, intent(1, "x"))
	shut(t, l)
	shut(t, open(t, Options{Dir: dir}))
}

// On file systems that cannot lock directories a file is locked instead; where
// nothing can be locked, nothing is opened.
func TestLockWithoutFlock(t *testing.T) {
	dir := newDir(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	take := func() (*osDisk, error) {
		fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		d := &osDisk{path: dir, fd: fd}
		return d, d.lockWith(func(int, int) error { return unix.EBADF })
	}
	first, err := take()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := take()
	if err == nil || !strings.Contains(err.Error(), "in use by another") {
		t.Errorf("second: %v", err)
	}
	second.Close()
}

func TestDirectoryOthersCanWriteIsRefused(t *testing.T) {
	dir := newDir(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o777, 0o702, 0o770, os.ModeSticky | 0o777} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "others may write there") {
			t.Errorf("with mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 4242, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "belongs to uid 4242") {
			t.Errorf("another's: %v", err)
		}
	}
	link := dir + "-link"
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: link}); err == nil {
		t.Error("opened through a symlink")
	}
}

func TestClockBackOneHour(t *testing.T) {
	dir := newDir(t)
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); now = now.Add(time.Millisecond); return now }
	l := open(t, Options{Dir: dir, Now: clock})
	before := must(t, l, intent(1, "a"))
	mu.Lock()
	now = now.Add(-time.Hour)
	mu.Unlock()
	after := must(t, l, intent(2, "b"))
	if after <= before {
		t.Errorf("number %d after %d", after, before)
	}
	eventually(t, "an alarm about the clock", func() bool {
		n := notes(t, dir, access.EventAlarm)
		return len(n) == 1 && strings.Contains(n[0], "clock went back by 1h0m0s")
	})
	shut(t, l)
	// A start with a clock that is behind, and times no clock shows.
	mu.Lock()
	now = now.Add(-time.Hour)
	mu.Unlock()
	l = open(t, Options{Dir: dir, Now: clock})
	for _, year := range []int{-5, 10000, 292277026596} {
		must(t, l, access.Event{Kind: access.EventAttach, Time: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	shut(t, l)
	proved(t, dir)
	if recs := all(t, dir, Filter{Kind: access.EventAttach}); len(recs) != 3 {
		t.Errorf("%d of 3 records with odd times", len(recs))
	}
}

func TestFloodIsCounted(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	n := soak.N(100000, 20000)
	uid := int64(1001)
	for i := range n {
		class := access.Class(i % 2)
		if _, err := l.Append(t.Context(), class, access.Event{Kind: access.EventDenied, Person: "mallory", UID: &uid,
			Asked: []string{"kill-server"}, Reason: "not permitted"}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, l, access.BestEffortClass, access.Event{Kind: access.EventDenied, Person: "bob", Asked: []string{"the one that matters"}})
	must(t, l, access.Event{Kind: access.EventRevoke, Person: "mallory"})
	shut(t, l)
	single, counted, bob := 0, 0, 0
	for _, rec := range all(t, dir, Filter{}) {
		switch {
		case rec.Kind == access.EventDenied && rec.Person == "bob":
			bob++
		case rec.Kind == access.EventDenied:
			single++
		case rec.Kind == access.EventAbsorbed && rec.Person == "mallory":
			counted += rec.Count
		}
	}
	if single+counted != n || single > n/10 || bob != 1 {
		t.Errorf("%d denied one by one and %d counted of %d, bob's %d", single, counted, n, bob)
	}
}

func TestFloodOfManyIdentities(t *testing.T) {
	f := newFlood(20)
	f.peopleMax = 100
	now := time.Unix(1700000000, 0)
	passed := 0
	for i := range 50000 {
		if !f.absorb(&access.Event{Kind: access.EventDenied, Person: fmt.Sprint("p", i)}, now) {
			passed++
		}
	}
	if passed > f.total || len(f.seen) > f.peopleMax+1 {
		t.Errorf("%d passed, %d remembered", passed, len(f.seen))
	}
	sum := 0
	for _, ev := range f.take(now) {
		sum += ev.Count
	}
	if sum+passed != 50000 {
		t.Errorf("%d counted and %d passed of 50000", sum, passed)
	}
	f.take(now.Add(2 * time.Second))
	if len(f.seen) != 0 {
		t.Errorf("%d quiet identities remembered", len(f.seen))
	}
	if f.absorb(&access.Event{Kind: access.EventIntent}, now) {
		t.Error("an intent was absorbed")
	}
}

// Tries of nobody in particular are counted by where they come from, whatever
// their ports; who was let in is always written.
func TestFloodFromOneAddress(t *testing.T) {
	f := newFlood(20)
	now := time.Unix(1700000000, 0)
	passed := 0
	for i := range 1000 {
		if !f.absorb(&access.Event{Kind: access.EventDoor, Door: "ssh", From: fmt.Sprint("[2001:db8::1]:", i)}, now) {
			passed++
		}
	}
	if f.absorb(&access.Event{Kind: access.EventDoor, Door: "ssh", From: "203.0.113.1:9"}, now) || passed != 20 {
		t.Errorf("%d of one address were written, or none of another", passed)
	}
	for range 100 {
		if f.absorb(&access.Event{Kind: access.EventDoor, From: "[2001:db8::1]:9", Allowed: true}, now) {
			t.Fatal("who was let in is not written")
		}
	}
	got := f.take(now)
	if len(got) != 1 || got[0].From != "2001:db8::1" || got[0].Count != 980 || got[0].Door != "ssh" {
		t.Errorf("counted: %+v", got)
	}
}

func TestKeyStream(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	base := access.Event{Kind: access.EventIntent, Request: 9, Person: "car\"ol\n", Account: "carol", Objects: []string{"alice/$1:@3.%7"}, Server: "i1"}
	k := l.Keys(t.Context(), base)
	big := []byte(strings.Repeat("0123456789", 3000))
	for i := range 10 {
		if err := k.Add(t.Context(), 3, nil, i == 5); err != nil {
			t.Fatal(err)
		}
		if got := len(all(t, dir, Filter{Kind: access.EventKey})); got != i+1 {
			t.Fatalf("%d key records after %d deliveries", got, i+1)
		}
	}
	if err := k.Add(t.Context(), len(big), big, true); err != nil {
		t.Fatal(err)
	}
	k.Close()
	eventually(t, "the sums", func() bool { return len(all(t, dir, Filter{Kind: access.EventKeys})) > 0 })
	shut(t, l)
	bytes, content := 0, ""
	for _, rec := range all(t, dir, Filter{Kind: access.EventKey}) {
		bytes += rec.Bytes
		content += string(rec.Content)
		if rec.Person != Escape(base.Person) || rec.Request != 9 || rec.Objects[0] != base.Objects[0] || rec.Server != "i1" {
			t.Fatalf("key record %s", rec.Line)
		}
	}
	if bytes != 30+len(big) || content != string(big) {
		t.Errorf("%d bytes, %d of content", bytes, len(content))
	}
	sum := 0
	for _, rec := range all(t, dir, Filter{Kind: access.EventKeys}) {
		sum += rec.Bytes
		if rec.Account != "carol" {
			t.Errorf("sums %s", rec.Line)
		}
	}
	if sum != bytes {
		t.Errorf("the sums say %d of %d bytes", sum, bytes)
	}
	if len(l.streams.all) != 0 {
		t.Error("the stream is still known")
	}
	if len(all(t, dir, Filter{})) >= len(all(t, dir, Filter{Keys: true})) {
		t.Error("key records are not left out")
	}
}

func TestClosedLogRefuses(t *testing.T) {
	l := open(t, Options{Dir: newDir(t)})
	k := l.Keys(t.Context(), access.Event{Person: "bob"})
	shut(t, l)
	if _, err := l.Append(t.Context(), access.MustRecordClass, intent(1)); !errors.Is(err, ErrSink) {
		t.Errorf("append: %v", err)
	}
	if err := k.Add(t.Context(), 1, nil, false); !errors.Is(err, ErrSink) {
		t.Errorf("keys: %v", err)
	}
	shut(t, l)
}

func TestIdleLogIsSigned(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir})
	seq := must(t, l, intent(1, "x"))
	eventually(t, "the record is signed though nothing follows", func() bool { return proved(t, dir).Signed >= seq })
}

func TestRotationThatFailsGoesOn(t *testing.T) {
	dir := newDir(t)
	l := open(t, Options{Dir: dir, SegmentSize: 2000})
	// The next segment's name is taken by something in the way.
	for seq := uint64(1); seq < 100; seq++ {
		if err := os.Mkdir(filepath.Join(dir, segmentName(seq+5)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		best(t, l, access.Event{Kind: access.EventAttach, Count: i})
	}
	eventually(t, "an alarm", func() bool {
		entries, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
		return err == nil && strings.Contains(string(entries), "a new file cannot be begun")
	})
	if !l.Health().OK {
		t.Errorf("health %+v", l.Health())
	}
}
