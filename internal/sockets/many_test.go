package sockets

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fill gives every field a value of its own, so that one that is added later, and is
// forgotten where sockets and findings are written by hand, is missed there.
func fill(t *testing.T, r *rand.Rand, v reflect.Value) {
	if r.IntN(4) == 0 {
		return // nothing, which JSON may leave out
	}
	words := []string{"/tmp/tmux-0/s", "a\nb", `q"\`, "<&>", "\xff\x00", "é\u2028\u202e", strings.Repeat("long", 40)}
	switch v.Kind() {
	case reflect.String:
		v.SetString(words[r.IntN(len(words))] + fmt.Sprint(r.IntN(3)))
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(63)) // there is no negative process
		if v.Type() == reflect.TypeFor[Severity]() {
			v.SetInt(r.Int64N(3))
		}
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()) >> r.IntN(32))
		if v.Type() == reflect.TypeFor[Mode]() {
			v.SetUint(r.Uint64() & 0o7777)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.IntN(3), 3))
		for i := range v.Len() {
			fill(t, r, v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(1e9))))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, r, v.Field(i))
			}
		}
	default:
		t.Fatalf("a %s is not written by hand", v.Type())
	}
}

// someSockets are n sockets of which many have things in common.
func someSockets(t *testing.T, n int) []Socket {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	all := make([]Socket, n)
	for i := range all {
		fill(t, r, reflect.ValueOf(&all[i]).Elem())
		if all[i].Changed.IsZero() {
			all[i].Changed = time.Unix(0, 0)
		}
		if all[i].Above != nil && all[i].Above.Changed.IsZero() {
			all[i].Above.Changed = time.Unix(7, 0)
		}
		if i > 0 && i%3 == 0 {
			all[i].Above = all[i-1].Above
		}
	}
	return all
}

// What one process has seen is, in the other, the same.
func TestHandOver(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		seen := sight{Scan: Scan{Schema: Schema, Time: time.Now(), Dirs: []Dir{{Path: "/\xff"}}, Skipped: []Skipped{{Path: "/x", Denied: true}}}, Error: "an error"}
		if n > 0 {
			seen.Scan.Sockets = someSockets(t, n)
		}
		var b bytes.Buffer
		if err := errors.Join(writeSight(&b, seen), writeSight(&b, sight{})); err != nil {
			t.Fatal(err)
		}
		got, err := readSight(&b, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Scan.Sockets, seen.Scan.Sockets) || got.Error != seen.Error || !got.Scan.Time.Equal(seen.Scan.Time) ||
			!reflect.DeepEqual(got.Scan.Dirs[0].Path, seen.Scan.Dirs[0].Path) || !reflect.DeepEqual(got.Scan.Skipped, seen.Scan.Skipped) {
			t.Errorf("of %d sockets something has changed", n)
		}
		if next, err := readSight(&b, 1<<20); err != nil || next.Scan.Sockets != nil {
			t.Errorf("the next one: %+v, %v", next, err)
		}
	}
}

// Who looks may be killed at any time: what came is an error then, and nothing less than
// was seen.
func TestHandOverCutShort(t *testing.T) {
	var b bytes.Buffer
	if err := writeSight(&b, sight{Scan: Scan{Sockets: someSockets(t, 3)}}); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for n := range whole {
		if got, err := readSight(bytes.NewReader(whole[:n]), 1<<20); err == nil {
			t.Fatalf("%d of %d bytes are taken: %+v", n, len(whole), got)
		}
	}
	if _, err := readSight(bytes.NewReader(whole), int64(len(whole)-20)); !errors.Is(err, errParcel) {
		t.Errorf("more than may come: %v", err)
	}
	many := string(appendSockets(nil, someSockets(t, 3)))
	for n := range many {
		if got, err := parseSockets(many[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken: %+v", n, len(many), got)
		}
	}
	if _, err := parseSockets(many + "\x00"); err == nil {
		t.Error("more than there is to be is taken")
	}
}

// Whoever speaks of many sockets and sends none has not that much room made.
func TestHandOverOfNothing(t *testing.T) {
	data := string(binary.AppendUvarint(nil, 200_000)) + strings.Repeat("\xff", 4<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parseSockets(data)
	runtime.ReadMemStats(&after)
	if most := uint64(16 << 20); err == nil || after.TotalAlloc-before.TotalAlloc > most {
		t.Errorf("%v, and %d bytes, more than %d", err, after.TotalAlloc-before.TotalAlloc, most)
	}
}

// A file system of somebody's own tells any time: each can be told in JSON, anywhere.
func TestToldTime(t *testing.T) {
	for _, ts := range []unix.Timespec{{Sec: math.MaxInt64, Nsec: math.MaxInt64}, {Sec: math.MinInt64, Nsec: -1}, {Sec: 253_402_300_800}, {Sec: -62_167_219_201}} {
		for _, zone := range []int{-14 * 3600, 0, 14 * 3600} {
			if _, err := toldTime(ts).In(time.FixedZone("", zone)).MarshalJSON(); err != nil {
				t.Errorf("%+v: %v", ts, err)
			}
		}
	}
	if now := (unix.Timespec{Sec: 1_700_000_000, Nsec: 5}); !toldTime(now).Equal(time.Unix(1_700_000_000, 5)) {
		t.Errorf("%+v became %v", now, toldTime(now))
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add(string(appendSockets(nil, []Socket{{Path: "/a", File: File{Kind: "socket", ACL: []string{"user:1:rw-"}}, Above: &File{}}, {Path: "/b"}})))
	f.Add("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, data string) {
		all, err := parseSockets(data)
		if err != nil {
			return
		}
		again, err := parseSockets(string(appendSockets(nil, all)))
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Errorf("%+v became %+v, %v", all, again, err)
		}
	})
}

// What is written by hand is what encoding/json writes.
func TestWrittenByHand(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	for _, n := range []int{0, 1, perChunk, 3*perChunk + 1} {
		s := Scan{Schema: Schema, Dirs: []Dir{{Path: `"sockets":null`}}, Others: []Other{}}
		found := make([]Finding, n)
		for i := range found {
			fill(t, r, reflect.ValueOf(&found[i]).Elem())
		}
		if n > 0 {
			s.Sockets = someSockets(t, n)
		}
		var b bytes.Buffer
		if err := s.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		sameText(t, b.Bytes(), s)
		b.Reset()
		if err := WriteFindings(&b, found); err != nil {
			t.Fatal(err)
		}
		sameText(t, b.Bytes(), found)
	}
}

func sameText(t *testing.T, got []byte, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("after %s:\n%.200s\nand not\n%.200s", got[max(0, i-100):i], got[i:], want[i:])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d bytes, and not %d", len(got), len(want))
	}
}

// narrow takes so many bytes, and no more.
type narrow struct{ left int }

func (n *narrow) Write(p []byte) (int, error) {
	if n.left -= len(p); n.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// A disk that is full, or a reader that went away, is an error wherever it happens, and
// leaves nobody behind.
func TestWrittenToNobody(t *testing.T) {
	s := Scan{Sockets: someSockets(t, 5*perChunk)}
	var b bytes.Buffer
	if err := s.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for left := 0; left < b.Len(); left += b.Len() / 20 {
		if err := s.WriteJSON(&narrow{left}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("room for %d of %d bytes: %v", left, b.Len(), err)
		}
	}
	s.Sockets[2*perChunk].Changed = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := s.WriteJSON(&b); err == nil {
		t.Error("a year that JSON has no form for is written")
	}
}

// The name of a listening socket is taken by something else: what is there now counts, and
// not what the kernel's list has by that name.
func TestListedNameTaken(t *testing.T) {
	base, dir := place(t)
	for _, name := range []string{"file", "link", "dead", "open", "live"} {
		f := bind(t, dir+"/"+name)
		if err := unix.Listen(int(f.Fd()), 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "link", "dead"} {
		if err := os.Rename(dir+"/"+name, dir+"/was-"+name); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(os.WriteFile(dir+"/file", nil, 0o600), os.Symlink("was-link", dir+"/link"), bind(t, dir+"/dead").Close(),
		os.Chmod(dir+"/open", 0o660), os.Chmod(dir+"/live", 0o600), os.Chmod(dir+"/dead", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Look(t.Context(), Options{Only: base, Settle: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range s.Sockets {
		got[filepath.Base(string(k.Path))] = string(k.Life)
	}
	for _, o := range s.Others {
		got[filepath.Base(string(o.Path))] = o.Kind
	}
	want := map[string]string{"file": "file", "link": "symlink", "dead": "dead", "open": "live", "live": "live",
		"was-file": "live", "was-link": "live", "was-dead": "live"}
	if !maps.Equal(got, want) {
		t.Errorf("%v\nand not\n%v", got, want)
	}
}

// A process holds more sockets than one goroutine looks at: each is told once, with its
// descriptor.
func TestManyHeld(t *testing.T) {
	const n = 3*fewFiles + 5
	want := map[int]uint64{}
	for range n {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		f, err := statFD(fd)
		if err != nil {
			t.Fatal(err)
		}
		want[fd] = f.Ino
	}
	inodes, fds := socketsOf("/proc/self")
	if len(inodes) != len(fds) {
		t.Fatalf("%d sockets, %d descriptors", len(inodes), len(fds))
	}
	for i, fd := range fds {
		if ino, ours := want[fd]; ours && ino != inodes[i] {
			t.Errorf("descriptor %d is socket %d, and not %d", fd, ino, inodes[i])
		}
		delete(want, fd)
	}
	if len(want) > 0 {
		t.Errorf("%d are not told of", len(want))
	}
}

// What a process has to say is read whole, whatever room there is.
func TestRoomForProc(t *testing.T) {
	for _, name := range []string{"auxv", "environ", "limits"} {
		want, err := os.ReadFile("/proc/self/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, 1, 16, len(want) - 1, len(want), len(want) + 1, procRoom} {
			d, err := openProc("/proc", os.Getpid(), make([]byte, room))
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.read(name, maxEnviron)
			if d.close(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, by way of %d bytes: %d of %d, %v", name, room, len(got), len(want), err)
			}
		}
	}
}
