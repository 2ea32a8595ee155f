package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/soak"
)

// child is what the test binary does as a child: write until killed, and say
// what was acknowledged.
func child(dir string) int {
	l, err := Open(context.Background(), Options{Dir: dir, SegmentSize: 20 << 10})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	k := l.Keys(context.Background(), access.Event{Person: "carol", Request: 1})
	var all sync.WaitGroup
	for g := range 3 {
		all.Go(func() {
			for i := 1; ; i++ {
				seq, err := l.Append(context.Background(), access.Class(g%2), intent(uint64(i*10+g), "x"))
				if err == nil && g == 2 {
					err = k.Add(context.Background(), 1, nil, false)
				}
				if err != nil {
					fmt.Println("error", err)
					return
				}
				// One write(2) each, so a line is there or not.
				os.Stdout.WriteString(fmt.Sprintf("acked %d\n", seq))
			}
		})
	}
	all.Wait()
	return 1
}

// After kill -9 of the process nothing that was acknowledged is lost, of
// either class.
func TestKilledAtRandomMoments(t *testing.T) {
	dir := newDir(t)
	for range soak.N(1000, 12) {
		acked := killedChild(t, dir)
		l := open(t, Options{Dir: dir})
		shut(t, l)
		have := map[uint64]bool{}
		open := map[uint64]uint64{}
		for _, rec := range all(t, dir, Filter{}) {
			have[rec.Seq] = true
			switch rec.Kind {
			case access.EventIntent:
				open[rec.Request] = rec.Seq
			case access.EventUnknown, access.EventOutcome:
				delete(open, rec.Request)
			}
		}
		for _, seq := range acked {
			if !have[seq] {
				t.Fatalf("record %d was acknowledged and is lost", seq)
			}
		}
		if len(open) != 0 {
			t.Fatalf("%d intents are still open", len(open))
		}
		if rep := proved(t, dir); rep.Records > 10000 {
			dir = newDir(t) // begin anew before it takes long to read
		}
	}
}

// killedChild runs a writer on dir, kills it, and gives what it had
// acknowledged.
func killedChild(t *testing.T, dir string) []uint64 {
	t.Helper()
	cmd := self(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var acked []uint64
	stopAt := 1 + rand.IntN(300)
	in := bufio.NewScanner(out)
	for in.Scan() {
		var seq uint64
		if n, _ := fmt.Sscanf(in.Text(), "acked %d", &seq); n != 1 {
			t.Errorf("child: %s", in.Text())
		}
		acked = append(acked, seq)
		if len(acked) == stopAt {
			time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, func() { cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait()
	return acked
}

// session writes a log on a recording disk: some lives, rotation, all classes.
// It gives the record of all changes to the disk, with marks where events were
// acknowledged.
func session(t *testing.T, dir string) []op {
	f := &faults{record: true}
	for life := range 3 {
		l := open(t, withFaults(Options{Dir: dir, SegmentSize: 3000}, f))
		var all sync.WaitGroup
		for g := range 3 {
			all.Go(func() {
				for i := range 15 {
					if g == 0 {
						best(t, l, access.Event{Kind: access.EventKeys, Person: "carol", Note: strings.Repeat("k", i*10)})
						continue
					}
					seq := must(t, l, intent(uint64(life*1000+g*100+i+1), "cmd"))
					f.add(op{what: "ack", seq: seq})
				}
			})
		}
		all.Wait()
		shut(t, l)
	}
	return f.ops
}

// platter is what a disk may hold after a power cut.
type platter struct {
	files map[string]*platterFile
	acked []uint64
}

type platterFile struct {
	durable  []byte
	named    bool // the name is on disk
	inFlight []op // since the last sync
}

// cut plays ops back and pulls the plug behind them.
func cut(ops []op) *platter {
	p := &platter{files: map[string]*platterFile{}}
	at := func(name string) *platterFile {
		if p.files[name] == nil {
			p.files[name] = &platterFile{}
		}
		return p.files[name]
	}
	for _, o := range ops {
		switch o.what {
		case "open":
			at(o.name)
		case "write", "truncate", "allocate":
			at(o.name).inFlight = append(at(o.name).inFlight, o)
		case "sync":
			f := at(o.name)
			f.durable, f.inFlight = f.apply(len(f.inFlight)), nil
		case "dirsync":
			for _, f := range p.files {
				f.named = true
			}
		case "rename":
			p.files[o.to] = p.files[o.name]
			delete(p.files, o.name)
		case "ack":
			p.acked = append(p.acked, o.seq)
		}
	}
	return p
}

// apply gives the file with the first n changes in flight done.
func (f *platterFile) apply(n int) []byte {
	data := append([]byte(nil), f.durable...)
	for _, o := range f.inFlight[:n] {
		data = o.on(data)
	}
	return data
}

func (o op) on(data []byte) []byte {
	if o.what == "truncate" {
		return append(data, make([]byte, max(0, int(o.off)-len(data)))...)[:o.off]
	}
	if o.what == "allocate" {
		return append(data, make([]byte, max(0, int(o.off)-len(data)))...)
	}
	end := int(o.off) + len(o.data)
	if end > len(data) {
		data = append(data, make([]byte, end-len(data))...)
	}
	copy(data[o.off:], o.data)
	return data
}

// store writes one of the states the platter may be in: of what was in flight
// nothing, all, or anything in between; torn within a write, or with zeros
// where data did not make it.
func (p *platter) store(t *testing.T, dir string, how int, rnd *rand.Rand) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, f := range p.files {
		if !f.named && how == 0 {
			continue
		}
		n := len(f.inFlight)
		switch how {
		case 0:
			n = 0
		case 2, 3:
			n = rnd.IntN(n + 1)
		}
		data := f.apply(n)
		if n < len(f.inFlight) && how >= 2 && f.inFlight[n].what == "write" {
			o := f.inFlight[n]
			o.data = o.data[:rnd.IntN(len(o.data)+1)]
			if how == 3 {
				o.data = make([]byte, len(o.data))
			}
			data = o.on(data)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// After a power cut the log opens and verifies, and no must-record event that
// was acknowledged is lost.
func TestPowerCuts(t *testing.T) {
	dir := newDir(t)
	ops := session(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	cuts := soak.N(4000, 150)
	for i := range cuts {
		at := 1 + rnd.IntN(len(ops))
		p := cut(ops[:at])
		state := t.TempDir()
		after := filepath.Join(state, "audit")
		p.store(t, after, i%4, rnd)
		for _, name := range []string{keyFile, pubFile} {
			if err := os.Link(filepath.Join(filepath.Dir(dir), name), filepath.Join(state, name)); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(t.Context(), Options{Dir: after, SegmentSize: 3000})
		if err != nil {
			t.Fatalf("cut behind change %d of %d, way %d: %v", at, len(ops), i%4, err)
		}
		shut(t, l)
		proved(t, after)
		have := map[uint64]bool{}
		for _, rec := range all(t, after, Filter{Kind: access.EventIntent}) {
			have[rec.Seq] = true
		}
		for _, seq := range p.acked {
			if !have[seq] {
				t.Fatalf("cut behind change %d, way %d: record %d was acknowledged and is lost", at, i%4, seq)
			}
		}
		os.RemoveAll(state)
	}
}

// A file cut at every single byte of what was not signed opens, whether it ends
// there or goes on with room that was taken ahead; what was signed is refused.
func TestEveryByteOfTheTail(t *testing.T) {
	f := &faults{}
	dir := newDir(t)
	l := open(t, withFaults(Options{Dir: dir}, f))
	signed := must(t, l, intent(1, "signed"))
	eventually(t, "it is signed", func() bool { return proved(t, dir).Signed >= signed })
	path := filepath.Join(dir, segmentName(1))
	signedSize := len(records(t, path))
	// From here on nothing reaches the disk, so nothing is signed.
	f.set(func(f *faults) { f.sync = func(string) error { return errors.New("power is gone") } })
	for i := range 3 {
		_, _ = l.Append(t.Context(), access.BestEffortClass, access.Event{Kind: access.EventKeys, Count: i})
	}
	whole := records(t, path)
	snapshot := snap(t, dir)
	f.set(func(f *faults) { f.sync = nil })
	shut(t, l)
	if len(whole)-signedSize < 100 {
		t.Fatalf("a tail of %d bytes", len(whole)-signedSize)
	}
	for i := 2 * (signedSize - 3); i <= 2*len(whole)+1; i++ {
		size, after := i/2, snapshot(t)
		path := filepath.Join(after, segmentName(1))
		if err := os.Truncate(path, int64(size)); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			if err := os.Truncate(path, int64(size)+5000); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(t.Context(), Options{Dir: after})
		if size < signedSize {
			if err == nil || !strings.Contains(err.Error(), "tampered") {
				t.Fatalf("cut to %d bytes, of which %d are signed: %v", size, signedSize, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
		shut(t, l)
		proved(t, after)
		torn := size > signedSize && whole[size-1] != '\n'
		if told := strings.Contains(strings.Join(notes(t, after, access.EventAlarm), " "), "set aside"); told != torn {
			t.Fatalf("cut to %d bytes: torn %v, told %v", size, torn, told)
		}
	}
}

// records gives what a segment holds without the room behind it.
func records(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(data, "\x00")
}

// A power cut may leave the beginning of a checkpoint.
func TestTornCheckpoint(t *testing.T) {
	_, again := sample(t)
	whole, err := LastCheckpoint(again(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range [][]byte{whole[:1], whole[:len(whole)/2], whole, make([]byte, 700)} {
		dir := again(t)
		f, err := os.OpenFile(filepath.Join(dir, checkpointsFile), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(torn); err != nil {
			t.Fatal(err)
		}
		f.Close()
		shut(t, open(t, Options{Dir: dir}))
		if rep := proved(t, dir); len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "torn-1") || rep.Signed != rep.Records {
			t.Errorf("%d bytes of a checkpoint: %+v", len(torn), rep)
		}
		if n := notes(t, dir, access.EventAlarm); len(n) != 1 || !strings.Contains(n[0], "a checkpoint that was not completely written") {
			t.Errorf("alarms: %q", n)
		}
	}
}

// When a power cut takes the end of a file whose successor was already begun,
// the successor is set aside: nothing in it was acknowledged as on disk.
func TestSuccessorOfATornSegment(t *testing.T) {
	f := &faults{}
	dir := newDir(t)
	l := open(t, withFaults(Options{Dir: dir, SegmentSize: 2000}, f))
	seq := must(t, l, intent(1, "on disk"))
	gate := make(chan struct{})
	f.set(func(f *faults) { f.sync = func(string) error { <-gate; return nil } })
	for i := range 120 {
		best(t, l, access.Event{Kind: access.EventKeys, Count: i})
	}
	after := snap(t, dir)(t)
	close(gate)
	shut(t, l)
	segs, err := listSegments(after)
	if err != nil || len(segs) < 3 {
		t.Fatalf("%d segments, %v", len(segs), err)
	}
	torn := filepath.Join(after, segs[0].name)
	st, err := os.Stat(torn)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(torn, st.Size()-10); err != nil {
		t.Fatal(err)
	}
	shut(t, open(t, Options{Dir: after}))
	proved(t, after)
	if recs := all(t, after, Filter{Kind: access.EventIntent}); len(recs) != 1 || recs[0].Seq != seq {
		t.Errorf("%+v", recs)
	}
	if n := notes(t, after, access.EventAlarm); len(n) != len(segs) {
		t.Errorf("%d alarms for %d segments: %q", len(n), len(segs), n)
	}
}

// snap remembers a log as it is on disk; each call of what it gives makes a
// copy of it, with its key.
func snap(t testing.TB, dir string) func(t testing.TB) string {
	t.Helper()
	files := map[string][]byte{}
	for _, at := range []string{dir, filepath.Dir(dir)} {
		entries, err := os.ReadDir(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			data, err := os.ReadFile(filepath.Join(at, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(filepath.Dir(dir), filepath.Join(at, e.Name()))
			files[rel] = bytes.Clone(data)
		}
	}
	base := filepath.Base(dir)
	return func(t testing.TB) string {
		t.Helper()
		state := t.TempDir()
		if err := os.Mkdir(filepath.Join(state, base), 0o700); err != nil {
			t.Fatal(err)
		}
		for rel, data := range files {
			if err := os.WriteFile(filepath.Join(state, rel), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return filepath.Join(state, base)
	}
}
