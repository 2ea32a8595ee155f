package grants

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// halves is a file that holds one text, and has it replaced in place: what is new goes
// into the half that the newest is not in, so that a crash leaves one of both. Its blocks
// are there beforehand. That spares the disk the work of a new file and a new name, which
// takes many times as long as what is written, and is in the way of a revocation.
//
// It begins with a page that says how long a half is, and which text counts by all means:
// the last of which the disk has said that it is there. If that one is not whole, the file
// is damaged. One that is newer counts if it is whole: else it was never said to be there.
//
// A crash is taken to leave a sector of 512 bytes as it was or as it was written, and the
// first page is changed in its first sector alone.
type halves struct {
	path   string
	on     blocks // nil: the file has to be made anew
	serial uint64 // of the newest text; its half is serial % 2
	half   int64  // bytes
}

// blocks are what halves write to: a file, and in tests a model of a disk.
type blocks interface {
	io.WriterAt
	io.Closer
	// Sync returns when the disk has what was written.
	Sync() error
	// IsAt reports an error if the file at path is not this one, of that many bytes.
	IsAt(path string, size int64) error
}

const (
	halvesMagic = "muxward-list 1\n"
	firstPage   = 4096
	leastHalf   = 64 << 10
	mostHalves  = 256 << 20 // of what is read at all
)

// begins is the first sector: what counts in halves of that many bytes.
func begins(half int64, serial uint64) []byte {
	return sealed(fmt.Sprintf("%shalf %d\nserial %d\n", halvesMagic, half, serial), "")
}

// sealed is a head with what it is checked by, and its body.
func sealed(head, body string) []byte {
	sum := sha256.Sum256([]byte(head + body))
	return []byte(head + "sha256 " + hex.EncodeToString(sum[:]) + "\n" + body)
}

// one is a text as it lies in its half.
func one(serial uint64, body []byte) []byte {
	return sealed(fmt.Sprintf("serial %d\nlength %d\n", serial, len(body)), string(body))
}

// unseal gives the numbers of a head and the body behind it, if it is what was sealed.
func unseal(data []byte, form string, length func() int64, into ...any) (body []byte, ok bool) {
	lines := bytes.SplitAfterN(data, []byte("\n"), 5)
	n := strings.Count(form, "\n")
	if len(lines) <= n+1 {
		return nil, false
	}
	head := string(bytes.Join(lines[:n], nil))
	if _, err := fmt.Sscanf(head, form, into...); err != nil {
		return nil, false
	}
	rest := data[len(head)+len(lines[n]):]
	size := length()
	if size < 0 || size > int64(len(rest)) {
		return nil, false
	}
	body = rest[:size]
	return body, bytes.HasPrefix(data, sealed(head, string(body)))
}

// readHalves gives the text that counts of a file as it lies on disk.
func readHalves(data []byte) (text []byte, half int64, serial uint64, err error) {
	none := func() int64 { return 0 }
	if _, ok := unseal(data, halvesMagic+"half %d\nserial %d\n", none, &half, &serial); !ok {
		return nil, 0, 0, errors.New("its first page is not as it was written")
	}
	if half < leastHalf || half > mostHalves || int64(len(data)) != firstPage+2*half {
		return nil, 0, 0, fmt.Errorf("it has %d bytes, which is not two halves of %d", len(data), half)
	}
	for _, want := range []uint64{serial + 1, serial} {
		var got uint64
		var size int64
		at := firstPage + int64(want%2)*half
		body, ok := unseal(data[at:at+half], "serial %d\nlength %d\n", func() int64 { return size }, &got, &size)
		if ok && got == want {
			return body, half, want, nil
		}
	}
	return nil, 0, 0, fmt.Errorf("number %d, which it says is there, is not as it was written", serial)
}

// open reads the file. One that has no halves is given as it is; it gets them when
// something is put.
func (h *halves) open(path string) ([]byte, error) {
	h.path = path
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
		f, err = os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) // putting will say what is wrong
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a file of data", path))
	}
	data, err := io.ReadAll(io.LimitReader(f, mostHalves+1))
	if err == nil && len(data) > mostHalves {
		err = fmt.Errorf("%s has more than %d bytes", path, mostHalves)
	}
	if err != nil || !bytes.HasPrefix(data, []byte(halvesMagic)) {
		return data, errors.Join(err, f.Close())
	}
	text, half, serial, err := readHalves(data)
	if err != nil {
		_ = f.Close()
		return nil, damagedHalves{err}
	}
	h.begin(file{f}, half, serial)
	return text, nil
}

// begin goes on with a file where it stands. What a life before wrote and could not wait
// for counts by now, though the disk may not have it: what it has is not overwritten
// before that. If the disk does not take it, the next text goes into a new file.
func (h *halves) begin(on blocks, half int64, serial uint64) {
	h.half, h.serial = half, serial
	if on.Sync() != nil {
		_ = on.Close()
		return
	}
	h.on = on
}

// damagedHalves is the error of a file that is there and does not say what it held.
type damagedHalves struct{ error }

// put has text survive a crash when it returns nil. If it does not, what was put before
// does.
func (h *halves) put(text []byte) error {
	if h.on != nil {
		if err := h.inPlace(text); err == nil {
			return nil
		}
		_ = h.on.Close()
		h.on = nil
	}
	return h.anew(text)
}

var errNoRoom = errors.New("the half is too short")

func (h *halves) inPlace(text []byte) error {
	next := h.serial + 1
	data := one(next, text)
	if int64(len(data)) > h.half {
		return errNoRoom
	}
	if err := h.on.IsAt(h.path, firstPage+2*h.half); err != nil {
		return err // nothing is written into what somebody has put aside
	}
	// First what counted until now is made to count by all means, as far as the first
	// page did not say so yet.
	if _, err := h.on.WriteAt(begins(h.half, h.serial), 0); err != nil {
		return err
	}
	at := firstPage + int64(next%2)*h.half
	_, err := h.on.WriteAt(data, at)
	if err == nil {
		err = h.on.Sync()
	}
	if err == nil {
		err = h.on.IsAt(h.path, firstPage+2*h.half)
	}
	if err != nil { // it is not said to be there, and is not to be found there either
		_, _ = h.on.WriteAt(bytes.Repeat([]byte("\n"), 512), at)
		return err
	}
	h.serial = next
	// Not synced: it is for a text that rots later, and the next one is synced with it.
	_, err = h.on.WriteAt(begins(h.half, next), 0)
	return err
}

// file is a file as blocks.
type file struct{ *os.File }

// Sync waits for the data alone: the file keeps its size.
func (f file) Sync() error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}

// IsAt does not follow a link at path.
func (f file) IsAt(path string, size int64) error {
	there, err := os.Lstat(path)
	if err != nil {
		return err
	}
	ours, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(there, ours) || ours.Size() != size {
		return errors.New("another file is there now")
	}
	return nil
}

// anew puts a text into a new file, which takes the place of what is there.
func (h *halves) anew(text []byte) error {
	next := h.serial + 1
	data := one(next, text)
	half := max(h.half, leastHalf)
	for half < 2*int64(len(data)) {
		half *= 2
	}
	if half > mostHalves/4 {
		return fmt.Errorf("%d bytes are more than is kept", len(text))
	}
	image := bytes.Repeat([]byte("\n"), int(firstPage+2*half))
	copy(image, begins(half, next))
	copy(image[firstPage+int64(next%2)*half:], data)
	f, err := replaceFile(h.path, image)
	if err != nil {
		return err
	}
	h.on, h.half, h.serial = file{f}, half, next
	return nil
}

// replaceFile writes data beside path, syncs it, and renames it into place, so that a
// crash leaves the old file or the new one. The new one is given, open.
func replaceFile(path string, data []byte) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".denials-*")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// putFile is replaceFile for who has no more to do with it.
func putFile(path string, data []byte) error {
	f, err := replaceFile(path, data)
	if err != nil {
		return err
	}
	return f.Close()
}
