package identity

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// keygenKRL has ssh-keygen make a list, for an authority or for any.
func keygenKRL(t testing.TB, authority ssh.PublicKey, text string) []byte {
	t.Helper()
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		tmuxtest.Skip(t, "no ssh-keygen")
	}
	dir := t.TempDir()
	args := []string{"-q", "-k", "-f", filepath.Join(dir, "krl"), "-z", "3"}
	if authority != nil {
		if err := os.WriteFile(filepath.Join(dir, "ca.pub"), ssh.MarshalAuthorizedKey(authority), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-s", filepath.Join(dir, "ca.pub"))
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), keygen, append(args, filepath.Join(dir, "text"))...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "krl"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestKRL: what ssh-keygen revokes proves nobody, and nothing else is revoked with it.
func TestKRL(t *testing.T) {
	w := newWorld(t, "", "", nil)
	numbered := func(serial uint64, id string) *ssh.Certificate {
		return w.certificate(t, func(c *ssh.Certificate) { c.Serial, c.KeyId = serial, id })
	}
	other := w.certificate(t, func(c *ssh.Certificate) { c.SignatureKey = w.other.PublicKey(); c.Serial, c.KeyId = 7, "laptop" })
	const far = math.MaxUint64 - 2
	var scattered strings.Builder // which makes a bitmap
	for n := 100; n < 200; n += 3 {
		fmt.Fprintf(&scattered, "serial: %d\n", n)
	}
	for _, c := range []struct {
		what      string
		authority ssh.PublicKey
		text      string
		gone      []ssh.PublicKey
		stays     []ssh.PublicKey
	}{
		{"nothing", nil, "", nil, []ssh.PublicKey{w.alice.PublicKey(), numbered(7, "laptop")}},
		{"a key", nil, line(w.alice.PublicKey()), []ssh.PublicKey{w.alice.PublicKey()}, []ssh.PublicKey{numbered(7, "x"), w.other.PublicKey()}},
		{"a certified key", nil, "key: " + line(w.other.PublicKey()), []ssh.PublicKey{numbered(7, "x"), w.other.PublicKey()}, []ssh.PublicKey{w.alice.PublicKey()}},
		{"an authority", nil, "hash: " + ssh.FingerprintSHA256(w.ca.PublicKey()), []ssh.PublicKey{numbered(7, "x")}, []ssh.PublicKey{other, w.alice.PublicKey()}},
		{"an old fingerprint", nil, "sha1: " + line(w.alice.PublicKey()), []ssh.PublicKey{w.alice.PublicKey()}, []ssh.PublicKey{numbered(7, "x")}},
		{"a serial", w.ca.PublicKey(), "serial: 7", []ssh.PublicKey{numbered(7, "x")}, []ssh.PublicKey{numbered(8, "x"), numbered(0, "x"), other, w.alice.PublicKey()}},
		{"a range", w.ca.PublicKey(), "serial: 10-1000000", []ssh.PublicKey{numbered(10, "x"), numbered(500, "x"), numbered(1000000, "x")},
			[]ssh.PublicKey{numbered(9, "x"), numbered(1000001, "x"), numbered(0, "x")}},
		{"a bitmap", w.ca.PublicKey(), scattered.String(), []ssh.PublicKey{numbered(100, "x"), numbered(103, "x"), numbered(199, "x")},
			[]ssh.PublicKey{numbered(99, "x"), numbered(101, "x"), numbered(198, "x"), numbered(200, "x"), numbered(0, "x")}},
		{"the last", w.ca.PublicKey(), fmt.Sprintf("serial: %d\nserial: %d", uint64(far), uint64(far+2)), []ssh.PublicKey{numbered(far, "x"), numbered(far+2, "x")},
			[]ssh.PublicKey{numbered(far+1, "x"), numbered(1, "x")}},
		{"an id", w.ca.PublicKey(), "id: laptop", []ssh.PublicKey{numbered(9, "laptop")}, []ssh.PublicKey{numbered(9, "phone"), other}},
	} {
		r, err := ParseSSHRevoked(keygenKRL(t, c.authority, c.text), "krl")
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		for i, all := range []*SSHRevoked{r, (*SSHRevoked)(nil).With(r), r.With(newSSHRevoked()), newSSHRevoked().With(r).With(r)} {
			for _, key := range c.gone {
				if err := all.check(key); !errors.Is(err, errRevoked) {
					t.Errorf("%s, %d: %s is taken: %v", c.what, i, DescribeSSHKey(key), err)
				}
			}
			for _, key := range c.stays {
				if err := all.check(key); err != nil {
					t.Errorf("%s, %d: %s: %v", c.what, i, DescribeSSHKey(key), err)
				}
			}
		}
	}
}

// packed puts a list in binary form together.
func packed(parts ...any) (out []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case uint64:
			out = binary.BigEndian.AppendUint64(out, p)
		case string:
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
		case []byte:
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(p))), p...)
		}
	}
	return out
}

func krlOf(parts ...any) []byte {
	head := append([]byte(krlMagic), 0, 0, 0, krlVersion)
	head = append(head, packed(uint64(1), uint64(0), uint64(0), "", "a comment")...)
	return append(head, packed(parts...)...)
}

// TestKRLIsUnderstoodWhole: what is not known in a list, or does not belong there, makes
// it a broken one; what came before it counts all the same, and so does what comes behind,
// as far as the lengths say where that is.
func TestKRLIsUnderstoodWhole(t *testing.T) {
	good := []any{krlKeys, packed("some key")}
	for what, parts := range map[string][]any{
		"a signature":           {4, packed("key", "signature")},
		"an unknown part":       {77, ""},
		"a critical extension":  {krlExtension, packed("x@y", 1, "")},
		"an extension too long": {krlExtension, packed("x@y", 0, "", 1)},
		"no fingerprint":        {krlSHA256, packed("short")},
		"an empty key":          {krlKeys, packed("")},
		"a part about nothing":  {krlCertificates, packed("", "", 0x55, "")},
		"a critical part":       {krlCertificates, packed("", "", krlCertExtension, packed("x", 1, ""))},
		"serial 0":              {krlCertificates, packed("", "", krlSerials, packed(uint64(0)))},
		"half a serial":         {krlCertificates, packed("", "", krlSerials, "1234")},
		"a range backwards":     {krlCertificates, packed("", "", krlRange, packed(uint64(2), uint64(1)))},
		"a range and more":      {krlCertificates, packed("", "", krlRange, packed(uint64(1), uint64(1), 0))},
		"a negative bitmap":     {krlCertificates, packed("", "", krlBitmap, packed(uint64(1), "\x80"))},
		"a bitmap of 0":         {krlCertificates, packed("", "", krlBitmap, packed(uint64(0), "\x01"))},
		"a bitmap to the end":   {krlCertificates, packed("", "", krlBitmap, packed(uint64(math.MaxUint64), "\x02"))},
		"nothing behind a kind": {krlKeys},
	} {
		r, err := ParseSSHRevoked(krlOf(append(good, parts...)...), "krl")
		if err == nil || len(r.prints) != 1 {
			t.Errorf("%s: %v, %+v", what, err, r)
		}
		if len(parts) == 1 {
			continue // nothing can be behind it
		}
		behind := slices.Concat(parts, []any{krlKeys, packed("some key")}, []any{krlCertificates, packed("", "", krlSerials, packed(uint64(7)))})
		if r, err := ParseSSHRevoked(krlOf(behind...), "krl"); err == nil || len(r.prints) != 1 || !r.has(&ssh.Certificate{Serial: 7}) {
			t.Errorf("behind %s: %v, %+v", what, err, r)
		}
	}
	for kind, elements := range map[int][]byte{krlKeys: packed("", "some key"), krlSHA256: packed("short", strings.Repeat("x", 32))} {
		if r, err := ParseSSHRevoked(krlOf(kind, elements), "krl"); err == nil || len(r.prints) != 1 {
			t.Errorf("behind a wrong element of %d: %v, %+v", kind, err, r)
		}
	}
	if r, err := ParseSSHRevoked(krlOf(krlCertificates, packed("", "", krlSerials, packed(uint64(0), uint64(7)))), "krl"); err == nil || !r.has(&ssh.Certificate{Serial: 7}) {
		t.Errorf("behind a wrong serial: %v, %+v", err, r)
	}
	whole := krlOf(krlKeys, packed("some key"), krlExtension, packed("x@y", 0, "passed over"),
		krlCertificates, packed("ca", "", krlCertExtension, packed("x", 0, ""), krlBitmap, packed(uint64(5), "\x00\x81")))
	r, err := ParseSSHRevoked(whole, "krl")
	if err != nil || len(r.prints) != 1 || !r.by["ca"].bitmaps[0].has(5) || !r.by["ca"].bitmaps[0].has(12) || r.by["ca"].bitmaps[0].has(6) {
		t.Errorf("%+v, %v", r, err)
	}
	for n := len(krlMagic); n < len(whole); n++ {
		if r, err := ParseSSHRevoked(whole[:n], "krl"); err == nil && !bytes.Equal(whole[:n], krlOf()) && len(r.prints) == 0 {
			t.Errorf("the first %d bytes are a list", n)
		}
	}
}

func FuzzKRL(f *testing.F) {
	f.Add(krlOf(krlKeys, packed("some key"), krlSHA1, packed(strings.Repeat("x", 20)), krlSHA256, packed(strings.Repeat("x", 32))))
	f.Add(krlOf(krlCertificates, packed("ca", "", krlSerials, packed(uint64(7)), krlRange, packed(uint64(7), uint64(9)),
		krlBitmap, packed(uint64(5), "\x01\x81"), krlIDs, packed("a", "b"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseSSHRevoked(append([]byte(krlMagic), data...), "f")
		twice := r.With(r)
		for authority, i := range r.by {
			if len(twice.by[authority].serials) > len(i.serials) || len(twice.by[authority].bitmaps) > len(i.bitmaps) {
				t.Error("a list and itself are more than the list")
			}
			for _, s := range i.serials {
				if s.first == 0 || s.first > s.last {
					t.Errorf("%+v is a range", s)
				}
			}
			for _, b := range i.bitmaps {
				if b.has(0) {
					t.Error("who has no serial number is revoked by it")
				}
			}
		}
		if err == nil && len(data) < 36 {
			t.Errorf("%d bytes are a list", len(data))
		}
	})
}
