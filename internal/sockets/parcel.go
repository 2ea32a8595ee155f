package sockets

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// sight is what a process that looks has seen.
type sight struct {
	Scan  Scan
	Error string
}

// errParcel is the error of what came from who looks and cannot be read.
var errParcel = errors.New("what was seen cannot be read")

// writeSight hands over what was seen: two parts, each with its length before it. Of
// sockets there may be many, and they are the second part, written by hand; the rest is
// gob.
func writeSight(w io.Writer, seen sight) error {
	many := seen.Scan.Sockets
	seen.Scan.Sockets = nil
	var rest bytes.Buffer
	rest.Write(make([]byte, 8))
	if err := gob.NewEncoder(&rest).Encode(seen); err != nil {
		return err
	}
	binary.LittleEndian.PutUint64(rest.Bytes(), uint64(rest.Len()-8))
	_, err := w.Write(rest.Bytes())
	if err == nil {
		b := appendSockets(make([]byte, 8, 4096+100*len(many)), many)
		binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
		_, err = w.Write(b)
	}
	return err
}

// readSight takes what writeSight gives, of at most most bytes.
func readSight(r io.Reader, most int64) (seen sight, err error) {
	rest, err := readPart(r, most)
	if err == nil {
		err = gob.NewDecoder(strings.NewReader(rest)).Decode(&seen)
	}
	if err != nil {
		return sight{}, err
	}
	many, err := readPart(r, most-int64(len(rest)))
	if err == nil {
		seen.Scan.Sockets, err = parseSockets(many)
	}
	if err != nil {
		return sight{}, err
	}
	return seen, nil
}

// partAtOnce is for how much room is made before anything has come.
const partAtOnce = 4 << 20

// readPart reads one part, of at most most bytes.
func readPart(r io.Reader, most int64) (string, error) {
	var size [8]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > uint64(most) {
		return "", fmt.Errorf("%w: it is too long", errParcel)
	}
	var b strings.Builder
	b.Grow(int(min(n, partAtOnce)))
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return "", err
	}
	return b.String(), nil
}

// shared numbers what many sockets have in common, in the order in which it comes.
type shared[T comparable] map[T]uint64

// of gives the number of something, and whether it comes for the first time.
func (s shared[T]) of(v T) (n uint64, first bool) {
	n, old := s[v]
	if !old {
		n = uint64(len(s))
		s[v] = n
	}
	return n, !old
}

// packer writes sockets. A word that many have is written once; so is the directory
// above them.
type packer struct {
	b     []byte
	words shared[string]
	above shared[*File]
}

// appendSockets adds the form that parseSockets reads.
func appendSockets(b []byte, all []Socket) []byte {
	p := packer{binary.AppendUvarint(b, uint64(len(all))), shared[string]{}, shared[*File]{nil: 0}}
	for i := range all {
		s := &all[i]
		p.text(string(s.Path))
		p.file(&s.File)
		p.word(string(s.Dir))
		if n, first := p.above.of(s.Above); first {
			p.num(n)
			p.file(s.Above)
		} else {
			p.num(n)
		}
		p.word(string(s.Life))
		p.word(s.Why)
		p.num(uint64(s.PID))
		p.word(s.Program)
		p.num(uint64(s.Pending))
	}
	return p.b
}

func (p *packer) num(n uint64) { p.b = binary.AppendUvarint(p.b, n) }

func (p *packer) text(s string) {
	p.num(uint64(len(s)))
	p.b = append(p.b, s...)
}

func (p *packer) word(s string) {
	n, first := p.words.of(s)
	if p.num(n); first {
		p.text(s)
	}
}

func (p *packer) file(f *File) {
	p.word(f.Kind)
	for _, n := range [...]uint64{uint64(f.UID), uint64(f.GID), uint64(f.Mode), f.Links, f.Dev, f.Ino, uint64(f.Changed.Unix()), uint64(f.Changed.Nanosecond()), uint64(len(f.ACL))} {
		p.num(n)
	}
	for _, e := range f.ACL {
		p.word(e)
	}
}

// unpacker reads sockets. What is not there, or does not fit, reads as nothing, and bad
// says so.
type unpacker struct {
	s     string
	words []string
	above []*File
	bad   bool
}

const (
	leastSocket = 18     // how many bytes one takes, at least
	roomAtOnce  = 32_768 // for how many room is made before they have come
)

// parseSockets reads what appendSockets writes. Names stay where they are, in data.
func parseSockets(data string) ([]Socket, error) {
	u := unpacker{s: data, above: []*File{nil}}
	n := u.num()
	if n > uint64(len(data)/leastSocket) {
		return nil, fmt.Errorf("%w: it speaks of %d sockets in %d bytes", errParcel, n, len(data))
	}
	if n == 0 && len(u.s) == 0 && !u.bad {
		return nil, nil
	}
	all := make([]Socket, 0, min(n, roomAtOnce))
	for range n {
		all = append(all, Socket{})
		s := &all[len(all)-1]
		s.Path = Path(u.text())
		u.file(&s.File)
		s.Dir = Path(u.word())
		s.Above = u.aboveIt()
		s.Life, s.Why, s.PID, s.Program, s.Pending = Life(u.word()), u.word(), int(u.num()), u.word(), uint32(u.num())
		if u.bad {
			return nil, errParcel
		}
	}
	if u.bad || len(u.s) > 0 {
		return nil, errParcel
	}
	return all, nil
}

func (u *unpacker) num() uint64 {
	var n uint64
	for i := 0; i < len(u.s) && i < binary.MaxVarintLen64; i++ {
		c := u.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			u.s = u.s[i+1:]
			return n
		}
	}
	u.bad, u.s = true, ""
	return 0
}

func (u *unpacker) text() string {
	n := u.num()
	if n > uint64(len(u.s)) {
		u.bad, u.s = true, ""
		return ""
	}
	s := u.s[:n]
	u.s = u.s[n:]
	return s
}

func (u *unpacker) word() string {
	n := u.num()
	switch {
	case n < uint64(len(u.words)):
		return u.words[n]
	case n > uint64(len(u.words)):
		u.bad = true
		return ""
	}
	s := u.text()
	u.words = append(u.words, s)
	return s
}

func (u *unpacker) aboveIt() *File {
	n := u.num()
	switch {
	case n < uint64(len(u.above)):
		return u.above[n]
	case n > uint64(len(u.above)):
		u.bad = true
		return nil
	}
	f := new(File)
	u.file(f)
	u.above = append(u.above, f)
	return f
}

func (u *unpacker) file(f *File) {
	f.Kind = u.word()
	f.UID, f.GID, f.Mode = uint32(u.num()), uint32(u.num()), Mode(u.num())
	f.Links, f.Dev, f.Ino = u.num(), u.num(), u.num()
	f.Changed = time.Unix(int64(u.num()), int64(u.num()))
	n := u.num()
	if n > uint64(len(u.s)) {
		u.bad = true
		return
	}
	for range n {
		f.ACL = append(f.ACL, u.word())
	}
}
