package grants

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func keepText(t *testing.T, h *halves, text string) {
	t.Helper()
	if err := h.put([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// reads says what the next one to open the file finds.
func reads(t *testing.T, path, want string) *halves {
	t.Helper()
	h := &halves{}
	got, err := h.open(path)
	if err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
	return h
}

func inode(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestHalvesInPlace: a file stays the same one over many texts, and over those who open
// it anew, until a text is longer than its half.
func TestHalvesInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	h := &halves{path: path}
	keepText(t, h, "first")
	was := inode(t, path)
	for i := range 50 {
		text := strings.Repeat("x", i*1000%30_000) + fmt.Sprint(i)
		keepText(t, h, text)
		if i%7 == 0 {
			h = reads(t, path, text)
		}
	}
	if now := inode(t, path); !os.SameFile(was, now) || now.Size() != was.Size() {
		t.Error("it is another file")
	}
	long := strings.Repeat("long", leastHalf)
	keepText(t, h, long)
	h = reads(t, path, long)
	was = inode(t, path)
	keepText(t, h, "short again")
	if reads(t, path, "short again"); !os.SameFile(was, inode(t, path)) {
		t.Error("it is another file")
	}
}

// TestHalvesCutShort: a text that a crash left a part of is as if it had not been put,
// wherever it was cut; and the next one is put all the same.
func TestHalvesCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	h := &halves{path: path}
	keepText(t, h, "zero")
	keepText(t, h, "one")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keepText(t, h, "two, and more")
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := firstPage + int(h.serial%2)*leastHalf
	whole := len(one(h.serial, []byte("two, and more")))
	for cut := range whole + 1 {
		torn := bytes.Clone(before) // the first page has not come to the disk, nor all of the text
		copy(torn[at:], after[at:at+cut])
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		want := "one"
		if cut >= whole { // nothing is missing
			want = "two, and more"
		}
		h := reads(t, path, want)
		keepText(t, h, "three")
		reads(t, path, "three")
	}
}

// TestHalvesRotten: what was said to be there and is not whole any more is an error, and
// not the text before it.
func TestHalvesRotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	h := &halves{path: path}
	keepText(t, h, "one")
	keepText(t, h, "two")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newest := firstPage + int(h.serial%2)*leastHalf
	for _, at := range []int{3, 20, 60, newest, newest + 20, newest + len(one(h.serial, []byte("two"))) - 1} {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := (&halves{}).open(path); err == nil && string(got) != string(bad) {
			t.Errorf("byte %d: read %q", at, got)
		}
		if _, err := OpenDenials(path); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	for _, bad := range [][]byte{good[:len(good)-1], good[:firstPage], append(bytes.Clone(good), 'x')} {
		if _, _, _, err := readHalves(bad); err == nil {
			t.Errorf("%d bytes are read", len(bad))
		}
	}
}

// TestHalvesOfSomebodyElse: who moves the file away, or puts another in its place, does
// not have what is put next written where nobody reads it.
func TestHalvesOfSomebodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	h := &halves{path: path}
	keepText(t, h, "one")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	keepText(t, h, "two")
	reads(t, path, "two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	keepText(t, h, "three")
	reads(t, path, "three")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".old", path); err != nil {
		t.Fatal(err)
	}
	if _, err := (&halves{}).open(path); err == nil {
		t.Error("a link is followed")
	}
	keepText(t, h, "four")
	if reads(t, path, "four"); inode(t, path+".old").Size() == 0 {
		t.Error("what the link was to is gone")
	}
	reads(t, path+".old", "one")                                    // nothing was written into what was put aside
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil { // into the same file
		t.Fatal(err)
	}
	keepText(t, h, "five")
	reads(t, path, "five")
}

// TestHalvesWithoutDisk: a disk that takes nothing is told of, and what it has stays.
func TestHalvesWithoutDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	h := &halves{path: path}
	keepText(t, h, "one")
	if err := h.on.Close(); err != nil { // every write fails; so does a new file, as its place is gone
		t.Fatal(err)
	}
	h.path = filepath.Join(path, "no directory")
	if err := h.put([]byte("two")); err == nil {
		t.Error("nobody says that it was not put")
	}
	reads(t, path, "one")
	h.path = path
	keepText(t, h, "three")
	reads(t, path, "three")
	if err := (&halves{path: path}).put(make([]byte, mostHalves)); err == nil || errors.Is(err, errNoRoom) {
		t.Errorf("too much: %v", err)
	}
	reads(t, path, "three")
}

// FuzzHalves: no file panics or is read as what nobody sealed.
func FuzzHalves(f *testing.F) {
	image := bytes.Repeat([]byte("\n"), firstPage+2*leastHalf)
	copy(image, begins(leastHalf, 3))
	copy(image[firstPage+leastHalf:], one(3, []byte("text")))
	f.Add(image[:300], one(3, []byte("text")), one(4, nil))
	f.Add([]byte(halvesMagic+"half 99999999999999999999\nserial 1\nsha256 x\n"), []byte("serial 1\nlength -1\nsha256 \n"), []byte(nil))
	f.Fuzz(func(t *testing.T, page, even, odd []byte) {
		data := bytes.Repeat([]byte("\n"), firstPage+2*leastHalf)
		copy(data[:firstPage], page)
		copy(data[firstPage:firstPage+leastHalf], even)
		copy(data[firstPage+leastHalf:], odd)
		text, half, serial, err := readHalves(data)
		if err != nil {
			return
		}
		if half != leastHalf || !bytes.Contains(data, one(serial, text)) {
			t.Fatalf("%q is read as number %d: %q", data[:200], serial, text)
		}
	})
}
