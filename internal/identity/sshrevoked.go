package identity

import (
	"bytes"
	"cmp"
	"crypto/sha1" // to find what a list names so
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// SSHRevoked is a list of keys and certificates that prove nobody any more. The
// zero value revokes nothing.
type SSHRevoked struct {
	prints map[string]bool // SHA256:...
	sha1   map[[sha1.Size]byte]bool
	issued                   // by whatever authority
	by     map[string]issued // by one, by its key as it goes over the wire
}

// issued are certificates, as an authority numbers and names them.
type issued struct {
	ids     map[string]bool
	serials []serialRange
	bitmaps []serialBitmap
}

type serialRange struct{ first, last uint64 }

// ParseSSHRevoked reads such a list, as ssh-keygen -k makes it in binary form, or in
// the words of ssh-keygen(1), KEY REVOCATION LISTS: one of
//
//	key: ssh-ed25519 AAAA...     (or the line of the key alone; sha256: and sha1: are the same here)
//	hash: SHA256:...
//	id: the id of a certificate
//	serial: 7    or 7-12
//
// in each line. A key stands for all certificates of it, and an authority's for
// all that it has signed. Any mistake is an error: a list that is half
// understood lets in whom it should not. What was understood is given with it. So is an
// empty file: it may be one that is just being written.
func ParseSSHRevoked(data []byte, file string) (*SSHRevoked, error) {
	r := newSSHRevoked()
	if len(bytes.TrimSpace(data)) == 0 {
		return r, fmt.Errorf("%s is empty: if nothing is revoked, write a line into it that begins with #", file)
	}
	if isKRL(data) {
		if err := r.krl(data); err != nil {
			return r, fmt.Errorf("%s: this list of revoked keys in binary form is broken: %w", file, err)
		}
		return r, nil
	}
	return r, eachLine(data, file, func(_, text string) error { return r.line(text) })
}

func newSSHRevoked() *SSHRevoked {
	return &SSHRevoked{prints: map[string]bool{}, sha1: map[[sha1.Size]byte]bool{}, issued: issued{ids: map[string]bool{}}, by: map[string]issued{}}
}

// With is a list that has what more has, too.
func (r *SSHRevoked) With(more *SSHRevoked) *SSHRevoked {
	if r == nil || more == nil {
		return cmp.Or(r, more)
	}
	all := newSSHRevoked()
	for _, part := range []*SSHRevoked{r, more} {
		maps.Copy(all.prints, part.prints)
		maps.Copy(all.sha1, part.sha1)
		all.issued = all.issued.with(part.issued)
		for authority, i := range part.by {
			all.by[authority] = all.by[authority].with(i)
		}
	}
	return all
}

// with gives what both have, each once.
func (i issued) with(more issued) issued {
	all := issued{ids: map[string]bool{}}
	maps.Copy(all.ids, i.ids)
	maps.Copy(all.ids, more.ids)
	all.serials = slices.Concat(i.serials, more.serials)
	slices.SortFunc(all.serials, func(a, b serialRange) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	all.serials = slices.Compact(all.serials)
	all.bitmaps = slices.SortedFunc(slices.Values(slices.Concat(i.bitmaps, more.bitmaps)), serialBitmap.compare)
	all.bitmaps = slices.CompactFunc(all.bitmaps, func(a, b serialBitmap) bool { return a.compare(b) == 0 })
	return all
}

// has reports whether a certificate is among them.
func (i issued) has(cert *ssh.Certificate) bool {
	return i.ids[cert.KeyId] ||
		slices.ContainsFunc(i.serials, func(s serialRange) bool { return cert.Serial >= s.first && cert.Serial <= s.last }) ||
		slices.ContainsFunc(i.bitmaps, func(b serialBitmap) bool { return b.has(cert.Serial) })
}

func (r *SSHRevoked) line(text string) error {
	word, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch word {
	case "key", "sha1":
		return r.key(value)
	case "sha256", "hash":
		if word == "sha256" && !strings.HasPrefix(value, "SHA256:") {
			return r.key(value)
		}
		if rest, ok := strings.CutPrefix(value, "SHA256:"); !ok || len(rest) != 43 {
			return errors.New("write it as hash: SHA256:... as ssh-keygen -l prints it")
		}
		r.prints[value] = true
		return nil
	case "id":
		if value == "" {
			return errors.New("the id is missing")
		}
		r.ids[value] = true
		return nil
	case "serial":
		first, last, ranged := strings.Cut(value, "-")
		if !ranged {
			last = first
		}
		a, aerr := strconv.ParseUint(strings.TrimSpace(first), 10, 64)
		b, berr := strconv.ParseUint(strings.TrimSpace(last), 10, 64)
		if aerr != nil || berr != nil || a > b {
			return errors.New("write it as serial: 7, or serial: 7-12")
		}
		r.serials = append(r.serials, serialRange{a, b})
		return nil
	}
	return r.key(text)
}

func (r *SSHRevoked) key(text string) error {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return errors.New("not understood; a line is a public key, or begins with key:, hash:, id: or serial:")
	}
	if cert, is := key.(*ssh.Certificate); is {
		key = cert.Key
	}
	r.prints[ssh.FingerprintSHA256(key)] = true
	return nil
}

// errRevoked is why a key or certificate proves nobody.
var errRevoked = errors.New("it was revoked")

// check says whether a key, or anything that a certificate rests on, was revoked.
func (r *SSHRevoked) check(key ssh.PublicKey) error {
	if r == nil {
		return nil
	}
	cert, is := key.(*ssh.Certificate)
	switch {
	case !is && r.lists(key), is && (r.lists(cert.Key) || r.lists(cert.SignatureKey)),
		is && (r.has(cert) || r.by[string(cert.SignatureKey.Marshal())].has(cert)):
		return errRevoked
	}
	return nil
}

// lists reports whether a plain key is in the list.
func (r *SSHRevoked) lists(key ssh.PublicKey) bool {
	return r.prints[ssh.FingerprintSHA256(key)] || len(r.sha1) > 0 && r.sha1[sha1.Sum(key.Marshal())]
}
