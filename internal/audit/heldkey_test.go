package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/muxward/muxward/internal/access"
)

// keyHolder signs what goes on from what it has signed, as the holder of the keys does.
type keyHolder struct {
	key      ed25519.PrivateKey
	verifier string

	mu     sync.Mutex
	size   uint64
	root   tlog.Hash
	signed int
	lose   bool // the answer, once
	deaf   error
}

func newKeyHolder(t *testing.T) *keyHolder {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyHolder{key: key}
	if k.verifier, err = note.NewEd25519VerifierKey("muxward/test/1", public); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keyHolder) sign(text []byte, proof []tlog.Hash) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := parseCheckpoint(string(text))
	if err != nil {
		return nil, err
	}
	switch {
	case c.Size < k.size:
		return nil, errors.New("it has fewer")
	case k.size > 0:
		if err := tlog.CheckTree(proof, int64(c.Size), c.Root, int64(k.size), k.root); err != nil {
			return nil, err
		}
	}
	k.size, k.root = c.Size, c.Root
	k.signed++
	if k.lose {
		k.lose = false
		return nil, errors.New("the answer is lost")
	}
	return ed25519.Sign(k.key, text), nil
}

func (k *keyHolder) held(made bool) *HeldKey {
	return &HeldKey{Verifier: k.verifier, New: made, Signature: k.sign, Signed: func() (uint64, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.size, k.deaf
	}}
}

func (k *keyHolder) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// A log whose key is held elsewhere proves with each checkpoint that it goes on: from file to file, over
// restarts, when an answer is lost as muxward ends, and when its stored hashes are. One that has
// lost or changed what was signed does not begin, and says what to do.
func TestHeldKey(t *testing.T) {
	dir, k := newDir(t), newKeyHolder(t)
	opt := Options{Dir: dir, SegmentSize: 4 << 10, Key: k.held(true)}
	l := open(t, opt)
	for life := range 4 {
		for i := range 60 {
			must(t, l, access.Event{Kind: access.EventAttach, Person: "alice", Count: i})
			if i%20 == 19 {
				if _, err := l.Append(context.Background(), access.UrgentClass, access.Event{Kind: access.EventRevoke, Person: "bob"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if life == 1 { // what is signed last is in no file of ours
			k.set(func() { k.lose = true })
		}
		if err := l.Close(context.Background()); (err != nil) != (life == 1) {
			t.Fatal(err)
		}
		if life == 2 {
			if err := os.Remove(filepath.Join(dir, hashesFile)); err != nil {
				t.Fatal(err)
			}
		}
		opt.Key = k.held(false)
		l = open(t, opt)
	}
	shut(t, l)
	if rep := proved(t, dir); rep.Signed != rep.Records || rep.Segments < 3 || k.size != rep.Records || k.signed < 10 {
		t.Errorf("%+v; %d were signed, %d times", rep, k.size, k.signed)
	}

	key, err := ParseVerifier(k.verifier)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		last  Signed
		finds string
	}{{Signed{k.size, k.root}, ""}, {Signed{}, ""}, {Signed{k.size, tlog.Hash{1}}, "rewritten"}, {Signed{k.size + 1, k.root}, "cut"}} {
		rep, err := Verify(t.Context(), dir, key, VerifyOptions{Last: &c.last})
		for _, p := range rep.Problems { // it is of no file, and of no time
			if !strings.Contains(p.What, "the holder of the key signed last") || strings.Contains(p.What, "kept elsewhere") || strings.Contains(p.What, fmt.Sprint(p.Last+1, " to")) {
				t.Errorf("%+v", p)
			}
		}
		if found := len(rep.Problems) > 0; found != (c.finds != "") || found && (rep.Problems[0].Kind != c.finds || !errors.Is(err, ErrTampered)) {
			t.Errorf("%+v: %+v, %v", c, rep.Problems, err)
		}
	}

	last, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, says string) {
		t.Helper()
		l, err := Open(context.Background(), opt)
		if err == nil {
			shut(t, l)
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	k.set(func() { k.deaf = errors.New("it has ended") })
	refused("a holder that does not say what it has signed", "it has ended")
	k.set(func() { k.deaf = nil })
	k.set(func() { k.root[0] ^= 1 })
	refused("another log was signed", "proof")
	k.set(func() { k.root[0] ^= 1; k.size += 1000 })
	refused("more was signed", "it has fewer")
	k.set(func() { k.size -= 1000 })
	if now, err := os.ReadFile(filepath.Join(dir, checkpointsFile)); err != nil || string(now) != string(last) {
		t.Error("there are more checkpoints", err)
	}
	l = open(t, opt)
	must(t, l, access.Event{Kind: access.EventAttach, Person: "alice"})
	shut(t, l)
	proved(t, dir)
}

// Stored hashes that cannot be read are said to be the reason, with what to do.
func TestHeldKeyWithoutHashes(t *testing.T) {
	k := newKeyHolder(t)
	k.size = 3
	key, err := k.held(false).open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.signerOf(7, strings.NewReader("short")); err == nil || !strings.Contains(err.Error(), "remove it and start muxward anew") {
		t.Error(err)
	}
}
