package bundle

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// key makes a key of a name.
func key(t testing.TB, name string) (note.Signer, note.Verifiers) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Keys([]byte("# a comment\n\n" + public + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

var made = time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)

func manifest(serial uint64) Manifest {
	return Manifest{Name: "prod", Serial: serial, Made: made, Expires: made.Add(30 * 24 * time.Hour), Hosts: []string{"web*", "db1"}}
}

// pack makes a bundle of a small directory.
func pack(t testing.TB, m Manifest, s note.Signer) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"host.yaml": "schema: 1\n", "policy/grants.yaml": "grants: []\n", "empty": "", ".git/config": "x", ".hidden": "x"} {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := Create(dir, m, s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	s, keys := key(t, "release")
	b, err := Open(pack(t, manifest(7), s), keys)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range b.Files {
		names = append(names, f.Path)
	}
	if b.Name != "prod" || b.Serial != 7 || !slices.Equal(names, []string{"empty", "host.yaml", "policy/grants.yaml"}) || !strings.HasPrefix(b.Key, "release+") {
		t.Errorf("%+v", b)
	}
	dir := t.TempDir()
	if err := b.Extract(dir); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "policy/grants.yaml")); err != nil || string(text) != "grants: []\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := b.Extract(dir); err == nil {
		t.Error("it was written over what was there")
	}
}

// Whatever is changed in a bundle, it is not opened; or it was a bit that base64 does not
// look at, and what was signed is the same.
func TestTampered(t *testing.T) {
	s, keys := key(t, "release")
	data := pack(t, manifest(7), s)
	good, err := Open(data, keys)
	if err != nil {
		t.Fatal(err)
	}
	same := func(b *Bundle) bool {
		return b.Digest == good.Digest && slices.EqualFunc(b.contents, good.contents, bytes.Equal)
	}
	for i := range data {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= bit
			if b, err := Open(bad, keys); err == nil && !same(b) {
				t.Errorf("byte %d of %d changed: opened, %+v", i, len(data), b)
			}
		}
	}
	for n := range len(data) {
		if _, err := Open(data[:n], keys); err == nil {
			t.Errorf("cut to %d of %d: opened", n, len(data))
		}
	}
	if _, err := Open(append(bytes.Clone(data), 'x'), keys); !errors.Is(err, ErrTampered) {
		t.Errorf("with more behind it: %v", err)
	}
	// A key of the same name is another key.
	if _, others := key(t, "release"); true {
		if _, err := Open(data, others); !errors.Is(err, ErrUnsigned) {
			t.Errorf("by another key: %v", err)
		}
	}
}

// What is signed makes no sense, and is not taken for that.
func TestSignedNonsense(t *testing.T) {
	s, keys := key(t, "release")
	good := manifest(1)
	good.Files = []File{{"host.yaml", strings.Repeat("0", 64), 0}}
	for _, c := range []struct {
		name string
		make func(m *Manifest) string
	}{
		{"path up", func(m *Manifest) string { m.Files[0].Path = "../etc/x"; return m.text() }},
		{"absolute", func(m *Manifest) string { m.Files[0].Path = "/etc/x"; return m.text() }},
		{"newline", func(m *Manifest) string { m.Files[0].Path = "a\nb"; return m.text() }},
		{"twice", func(m *Manifest) string { m.Files = append(m.Files, m.Files[0]); return m.text() }},
		{"negative", func(m *Manifest) string { m.Files[0].Size = -1; return m.text() }},
		{"huge", func(m *Manifest) string { m.Files[0].Size = 1 << 40; return m.text() }},
		{"no hosts", func(m *Manifest) string { m.Hosts = nil; return m.text() }},
		{"serial 0", func(m *Manifest) string { m.Serial = 0; return m.text() }},
		{"never expires", func(m *Manifest) string { m.Expires = m.Made.Add(100 * 365 * 24 * time.Hour); return m.text() }},
		{"no files", func(m *Manifest) string { m.Files = nil; return m.text() }},
		{"plus", func(m *Manifest) string { return strings.Replace(m.text(), "serial: 1", "serial: +1", 1) }},
		{"zone", func(m *Manifest) string {
			return strings.Replace(m.text(), "2026-11-27T04:00:00Z", "2026-11-27T05:00:00+01:00", 1)
		}},
		{"title", func(m *Manifest) string { return strings.Replace(m.text(), title, "muxward bundle 2", 1) }},
	} {
		m := good
		m.Files = slices.Clone(good.Files)
		signed, err := note.Sign(&note.Note{Text: c.make(&m)}, s)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := Open(fmt.Appendf(nil, "%s%d\n%s", magic, len(signed), signed), keys); err == nil {
			t.Errorf("%s: opened, %+v", c.name, b)
		}
	}
}

func TestAdmit(t *testing.T) {
	s, keys := key(t, "release")
	open := func(m Manifest) *Bundle {
		b, err := Open(pack(t, m, s), keys)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	five, seven, other := open(manifest(5)), open(manifest(7)), manifest(7)
	other.Hosts = []string{"web*"}
	seen := seven.After(Seen{})
	now := made.Add(time.Hour)
	for _, c := range []struct {
		name string
		b    *Bundle
		host string
		now  time.Time
		seen Seen
		want error
	}{
		{"first", five, "web1", now, Seen{}, nil},
		{"again", seven, "db1", now, seen, nil},
		{"newer", seven, "web1", now, five.After(Seen{}), nil},
		{"older", five, "web1", now, seen, ErrOlder},
		{"same serial, other content", open(other), "web1", now, seen, ErrOlder},
		{"another host", five, "db2", now, Seen{}, ErrHost},
		{"host with a prefix", five, "db12", now, Seen{}, ErrHost},
		{"expired", five, "web1", made.Add(30 * 24 * time.Hour), Seen{}, ErrExpired},
		{"just before", five, "web1", made.Add(30*24*time.Hour - time.Second), Seen{}, nil},
		{"clock back before it was made", five, "web1", made.Add(-time.Hour), Seen{}, ErrClock},
		{"clocks a little apart", five, "web1", made.Add(-time.Minute), Seen{}, nil},
		{"clock back before the last", seven, "web1", now, Seen{Serial: 1, Made: made.Add(48 * time.Hour)}, ErrClock},
	} {
		if err := c.b.Admit(c.host, c.now, c.seen); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if after := five.After(seen); after != seen {
		t.Errorf("a serial goes down: %+v", after)
	}
}

func TestCreateRefuses(t *testing.T) {
	s, _ := key(t, "release")
	dir := t.TempDir()
	if _, err := Create(dir, manifest(1), s); err == nil {
		t.Error("an empty directory")
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, manifest(1), s); err == nil || !strings.Contains(err.Error(), "host.yaml") {
		t.Errorf("no host.yaml: %v", err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "host.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, manifest(1), s); err == nil || !strings.Contains(err.Error(), "symlinks") {
		t.Errorf("a symlink: %v", err)
	}
}

// Whatever comes: an error, or what the key has signed, byte by byte.
func FuzzOpen(f *testing.F) {
	s, keys := key(f, "release")
	good := pack(f, manifest(7), s)
	whole, err := Open(good, keys)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte(magic + "3\nabc"))
	f.Add([]byte(magic + "99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := Open(data, keys); err == nil && (b.Digest != whole.Digest || !slices.EqualFunc(b.contents, whole.contents, bytes.Equal)) {
			t.Errorf("opened what nobody has signed: %+v", b)
		}
		b := &Bundle{}
		_ = b.parse(string(data))
	})
}
