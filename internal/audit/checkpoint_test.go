package audit

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func testKey(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func TestCheckpointRoundTrip(t *testing.T) {
	signer, key := testKey(t, "muxward/here/1")
	c := Checkpoint{Origin: "muxward/here/1", Size: 42, Time: time.Unix(1700000000, 0).UTC(), Format: Format}
	c.Root[3] = 9
	signed, err := c.sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenCheckpoint(signed, key); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	two := append(append(append([]byte(nil), signed...), '\n'), signed...)
	first, rest := cutNote(two)
	if !bytes.Equal(first, signed) {
		t.Errorf("cut %q", first)
	}
	if second, _ := cutNote(rest); second != nil {
		t.Error("a note without its end was taken for whole")
	}
}

func TestCheckpointRefused(t *testing.T) {
	signer, key := testKey(t, "muxward/here/1")
	other, _ := testKey(t, "muxward/here/1")
	c := Checkpoint{Origin: "muxward/here/1", Size: 42, Format: Format}
	sign := func(c Checkpoint, s note.Signer) []byte {
		signed, err := c.sign(s)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	elsewhere, newer := c, c
	elsewhere.Origin, newer.Format = "muxward/there/2", Format+1
	for what, signed := range map[string][]byte{
		"changed size":   bytes.Replace(sign(c, signer), []byte("\n42\n"), []byte("\n43\n"), 1),
		"stranger's key": sign(c, other),
		"other log":      sign(elsewhere, signer),
		"newer format":   sign(newer, signer),
		"empty":          nil,
		"not a note":     []byte("hello\n"),
	} {
		if _, err := OpenCheckpoint(signed, key); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func FuzzCheckpoint(f *testing.F) {
	f.Add("muxward/x\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nformat 1\ntime 2026-01-02T03:04:05Z\n")
	f.Add("a\n0\n\n")
	f.Add("")
	f.Add("a\n\n\nb\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseCheckpoint(text); err == nil {
			again, err := parseCheckpoint(c.text())
			// Years beyond four digits are no times to write.
			if err == nil && (again.Size != c.Size || again.Root != c.Root) {
				t.Fatalf("%+v became %+v", c, again)
			}
		}
		data := []byte(text)
		for {
			signed, rest := cutNote(data)
			if signed == nil {
				break
			}
			if len(rest) >= len(data) {
				t.Fatal("no way forward")
			}
			data = rest
		}
		_, key := fixedKey()
		if _, err := OpenCheckpoint([]byte(text), key); err == nil {
			t.Fatal("an unsigned checkpoint was taken")
		}
	})
}

// fixedKey is a verifier whose secret nobody has.
func fixedKey() (note.Signer, note.Verifier) {
	v, err := note.NewVerifier("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
	if err != nil {
		panic(err)
	}
	return nil, v
}

func TestKeyFiles(t *testing.T) {
	dir := newDir(t)
	state := filepath.Dir(dir)
	keyPath, pubPath := filepath.Join(state, keyFile), filepath.Join(state, pubFile)
	l := open(t, Options{Dir: dir, Origin: "host+with space"})
	if got := l.Origin(); !strings.HasPrefix(got, "host-with-space/") {
		t.Errorf("origin %q", got)
	}
	shut(t, l)
	st, err := os.Stat(keyPath)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("key: %v %v", st.Mode(), err)
	}
	secret, _ := os.ReadFile(keyPath)
	pub, _ := os.ReadFile(pubPath)

	refused := func(what string) {
		t.Helper()
		l, err := Open(t.Context(), Options{Dir: dir})
		if err == nil {
			shut(t, l)
			t.Errorf("%s: opened", what)
		} else if !strings.Contains(err.Error(), "audit.") {
			t.Errorf("%s: %v", what, err)
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chmod(keyPath, 0o640))
	refused("readable key")
	check(os.Chmod(keyPath, 0o600))
	check(os.Remove(keyPath))
	refused("no key")
	check(os.WriteFile(keyPath, []byte("rubbish"), 0o600))
	refused("bad key")
	check(os.WriteFile(keyPath, secret, 0o600))
	check(os.WriteFile(pubPath, []byte("other"), 0o600))
	refused("public key of another")
	check(os.Remove(pubPath))
	shut(t, open(t, Options{Dir: dir}))
	if again, _ := os.ReadFile(pubPath); !bytes.Equal(again, pub) {
		t.Error("the public key was not put back")
	}
}

// What a writer of a key that was killed has left is gone with the next start: a second name of a secret keeps the
// directory from being handed over. What has been put aside stays, and so does a copy.
func TestKeysLeftByKilledWriters(t *testing.T) {
	dir := newDir(t)
	shut(t, open(t, Options{Dir: dir}))
	state := filepath.Dir(dir)
	for _, err := range []error{os.Link(filepath.Join(state, keyFile), filepath.Join(state, keyFile+unfinished+"12345")),
		os.WriteFile(filepath.Join(state, keyFile+".20261127"), nil, 0o600),
		os.WriteFile(filepath.Join(state, pubFile+unfinished+"6"), nil, 0o600), os.WriteFile(filepath.Join(state, pubFile+".damaged-1"), nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	shut(t, open(t, Options{Dir: dir}))
	for name, want := range map[string]bool{keyFile: true, pubFile: true, keyFile + unfinished + "12345": false, keyFile + ".20261127": true, pubFile + unfinished + "6": false, pubFile + ".damaged-1": true} {
		if _, err := os.Lstat(filepath.Join(state, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
