package identity

import (
	"bytes"
	"cmp"
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
	prints  map[string]bool // SHA256:...
	ids     map[string]bool
	serials []serialRange
}

type serialRange struct{ first, last uint64 }

// ParseSSHRevoked reads such a list, in the words of ssh-keygen(1), KEY
// REVOCATION LISTS: one of
//
//	key: ssh-ed25519 AAAA...     (or the line of the key alone)
//	sha256: SHA256:...
//	id: the id of a certificate
//	serial: 7    or 7-12
//
// in each line. A key stands for all certificates of it, and an authority's for
// all that it has signed. Any mistake is an error: a list that is half
// understood lets in whom it should not. What was understood is given with it.
func ParseSSHRevoked(data []byte, file string) (*SSHRevoked, error) {
	r := &SSHRevoked{prints: map[string]bool{}, ids: map[string]bool{}}
	if bytes.HasPrefix(data, []byte("SSHKRL\n\x00")) {
		return nil, fmt.Errorf("%s: this is a list in binary form, which is not read; name the text that ssh-keygen -k made it of", file)
	}
	return r, eachLine(data, file, func(_, text string) error { return r.line(text) })
}

// With is a list that has what more has, too.
func (r *SSHRevoked) With(more *SSHRevoked) *SSHRevoked {
	if r == nil || more == nil {
		return cmp.Or(r, more)
	}
	all := &SSHRevoked{prints: maps.Clone(r.prints), ids: maps.Clone(r.ids)}
	maps.Copy(all.prints, more.prints)
	maps.Copy(all.ids, more.ids)
	all.serials = slices.Concat(r.serials, more.serials)
	slices.SortFunc(all.serials, func(a, b serialRange) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last))
	})
	all.serials = slices.Compact(all.serials)
	return all
}

func (r *SSHRevoked) line(text string) error {
	word, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch word {
	case "key":
		return r.key(value)
	case "sha256":
		if rest, ok := strings.CutPrefix(value, "SHA256:"); !ok || len(rest) != 43 {
			return errors.New("write it as sha256: SHA256:... as ssh-keygen -l prints it")
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
		return errors.New("not understood; a line is a public key, or begins with key:, sha256:, id: or serial:")
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
	if !is {
		if r.prints[ssh.FingerprintSHA256(key)] {
			return errRevoked
		}
		return nil
	}
	if r.prints[ssh.FingerprintSHA256(cert.Key)] || r.prints[ssh.FingerprintSHA256(cert.SignatureKey)] || r.ids[cert.KeyId] {
		return errRevoked
	}
	for _, s := range r.serials {
		if cert.Serial >= s.first && cert.Serial <= s.last {
			return errRevoked
		}
	}
	return nil
}
