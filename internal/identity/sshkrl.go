package identity

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	mathbits "math/bits"
	"slices"
)

// The parts of a list in binary form, as of OpenSSH's PROTOCOL.krl.
const (
	krlMagic   = "SSHKRL\n\x00"
	krlVersion = 1

	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSHA256       = 5
	krlExtension    = 255

	krlSerials       = 0x20
	krlRange         = 0x21
	krlBitmap        = 0x22
	krlIDs           = 0x23
	krlCertExtension = 0x39
)

func isKRL(data []byte) bool { return bytes.HasPrefix(data, []byte(krlMagic)) }

// serialBitmap are serial numbers from one on, a bit each.
type serialBitmap struct {
	first uint64
	bits  []byte // big endian, as a number
}

func (b serialBitmap) has(serial uint64) bool {
	if serial < b.first {
		return false
	}
	at := serial - b.first
	if at/8 >= uint64(len(b.bits)) {
		return false
	}
	return b.bits[uint64(len(b.bits))-1-at/8]>>(at%8)&1 == 1
}

func (b serialBitmap) compare(other serialBitmap) int {
	return cmp.Or(cmp.Compare(b.first, other.first), bytes.Compare(b.bits, other.bits))
}

var errKRLShort = errors.New("it ends too early")

// krlReader reads what is left of a part.
type krlReader struct{ rest []byte }

func (r *krlReader) more() bool { return len(r.rest) > 0 }

func (r *krlReader) take(n int) ([]byte, error) {
	if n < 0 || len(r.rest) < n {
		return nil, errKRLShort
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head, nil
}

func (r *krlReader) byte() (byte, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (r *krlReader) uint64() (uint64, error) {
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func (r *krlReader) string() ([]byte, error) {
	b, err := r.take(4)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(r.rest)) {
		return nil, errKRLShort
	}
	return r.take(int(n))
}

// part reads a kind and what is in it.
func (r *krlReader) part() (kind byte, in krlReader, err error) {
	if kind, err = r.byte(); err == nil {
		in.rest, err = r.string()
	}
	return kind, in, err
}

// krl takes a list in binary form over. What is not known in it is an error, unless
// the list itself says that it may be passed over: somebody could be meant there. A
// signature is such a thing, as for sshd: who may write the list is for its file.
func (r *SSHRevoked) krl(data []byte) error {
	in := krlReader{data[len(krlMagic):]}
	version, err := in.take(4)
	if err != nil {
		return err
	}
	if v := binary.BigEndian.Uint32(version); v != krlVersion {
		return fmt.Errorf("its format is %d, and %d is known here", v, krlVersion)
	}
	for range 3 { // its number, its date, flags of which there are none
		if _, err := in.uint64(); err != nil {
			return err
		}
	}
	for range 2 { // reserved, a comment
		if _, err := in.string(); err != nil {
			return err
		}
	}
	return in.parts(r.krlPart)
}

// parts takes all parts. One that is not understood is told, and those behind it count:
// each has its length.
func (r *krlReader) parts(take func(kind byte, in *krlReader) error) error {
	return r.each(func() (wrong, broken error) {
		kind, part, err := r.part()
		if err != nil {
			return nil, err
		}
		return take(kind, &part), nil
	})
}

// maxKRLTold is how many mistakes of one part are told.
const maxKRLTold = 10

// each has take read on as long as there is more. What is wrong is told, and what is
// behind it is read all the same; what is broken ends it.
func (r *krlReader) each(take func() (wrong, broken error)) error {
	var all []error
	for r.more() {
		wrong, broken := take()
		if wrong != nil && len(all) < maxKRLTold {
			all = append(all, wrong)
		}
		if broken != nil {
			return errors.Join(append(all, broken)...)
		}
	}
	return errors.Join(all...)
}

func (r *SSHRevoked) krlPart(kind byte, in *krlReader) error {
	switch kind {
	case krlCertificates:
		return r.krlIssued(in)
	case krlExtension:
		return krlUnknown(in)
	case krlKeys, krlSHA1, krlSHA256:
	default:
		return fmt.Errorf("it has a part of the kind %d, which is not known here", kind)
	}
	return in.each(func() (wrong, broken error) {
		b, err := in.string()
		switch {
		case err != nil:
			return nil, err
		case kind == krlKeys && len(b) > 0:
			sum := sha256.Sum256(b)
			r.prints[print256(sum[:])] = true
		case kind == krlSHA256 && len(b) == sha256.Size:
			r.prints[print256(b)] = true
		case kind == krlSHA1 && len(b) == sha1.Size:
			r.sha1[[sha1.Size]byte(b)] = true
		default:
			return fmt.Errorf("a key or fingerprint in it has %d bytes", len(b)), nil
		}
		return nil, nil
	})
}

// print256 is a fingerprint as ssh-keygen prints it.
func print256(sum []byte) string { return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum) }

// krlUnknown passes over what the list says may be passed over.
func krlUnknown(in *krlReader) error {
	name, err := in.string()
	if err != nil {
		return err
	}
	critical, err := in.byte()
	if err != nil {
		return err
	}
	if _, err := in.string(); err != nil {
		return err
	}
	if critical != 0 {
		return fmt.Errorf("it has the extension %.64q, which has to be understood and is not", name)
	}
	return in.end()
}

func (r *krlReader) end() error {
	if r.more() {
		return errors.New("there is more in a part than belongs there")
	}
	return nil
}

// krlIssued reads which certificates of an authority are revoked; without one, of all.
func (r *SSHRevoked) krlIssued(in *krlReader) error {
	authority, err := in.string()
	if err != nil {
		return err
	}
	if _, err := in.string(); err != nil { // reserved
		return err
	}
	i := r.issued
	if len(authority) > 0 {
		i = r.by[string(authority)]
	}
	if i.ids == nil {
		i.ids = map[string]bool{}
	}
	err = in.parts(i.krlPart)
	if len(authority) == 0 {
		r.issued = i
	} else {
		r.by[string(authority)] = i
	}
	return err
}

func (i *issued) krlPart(kind byte, in *krlReader) error {
	switch kind {
	case krlSerials:
		return in.each(func() (wrong, broken error) {
			n, err := in.uint64()
			if err != nil {
				return nil, err
			}
			return i.krlSerials(n, n), nil
		})
	case krlRange:
		first, err := in.uint64()
		if err != nil {
			return err
		}
		last, err := in.uint64()
		if err != nil {
			return err
		}
		return errors.Join(i.krlSerials(first, last), in.end())
	case krlBitmap:
		return i.krlBitmap(in)
	case krlIDs:
		for in.more() {
			id, err := in.string()
			if err != nil {
				return err
			}
			i.ids[string(id)] = true
		}
		return nil
	case krlCertExtension:
		return krlUnknown(in)
	}
	return fmt.Errorf("it has a part about certificates of the kind %#x, which is not known here", kind)
}

// krlSerials adds a range. 0 is the serial number of certificates that have none, and
// revokes nobody in particular.
func (i *issued) krlSerials(first, last uint64) error {
	if first == 0 || first > last {
		return fmt.Errorf("the serial numbers %d to %d are no range", first, last)
	}
	i.serials = append(i.serials, serialRange{first, last})
	return nil
}

func (i *issued) krlBitmap(in *krlReader) error {
	first, err := in.uint64()
	if err != nil {
		return err
	}
	bits, err := in.string()
	if err != nil {
		return err
	}
	if len(bits) > 0 && bits[0]&0x80 != 0 {
		return errors.New("a bitmap is a negative number")
	}
	bits = bytes.TrimLeft(bits, "\x00")
	if len(bits) == 0 {
		return in.end()
	}
	top := uint64(len(bits)-1)*8 + uint64(mathbits.Len8(bits[0])) - 1 // the last number's distance
	switch {
	case first == 0 && bits[len(bits)-1]&1 == 1:
		return errors.New("a bitmap has the serial number 0")
	case first+top < first:
		return errors.New("a bitmap goes beyond the last serial number")
	}
	i.bitmaps = append(i.bitmaps, serialBitmap{first, slices.Clone(bits)})
	return in.end()
}
