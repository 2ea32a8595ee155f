package holder

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep"
)

// What is made can be read by ssh and by note, is the same when it is read again, and
// signs what it is for, and nothing else.
func TestKeys(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := open(dir, nil); err == nil || !strings.Contains(err.Error(), "host key") {
		t.Error(err)
	}
	k, err := open(dir, []string{HostFile, CheckpointFile})
	if err != nil || !k.public.HostNew || !k.public.CheckpointNew {
		t.Fatal(err)
	}
	again, err := open(dir, nil)
	if err != nil || again.public.HostNew || !again.host.Equal(k.host) || again.public.Checkpoint != k.public.Checkpoint {
		t.Fatal(again, err)
	}
	text, err := read(dir, HostFile)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ssh.ParseRawPrivateKey(text)
	if key, ok := parsed.(*ed25519.PrivateKey); !ok || !key.Equal(k.host) {
		t.Errorf("ssh reads %T, %v", parsed, err)
	}
	if k.last, err = openLast(dir, k.origin); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(k.last.fd)
	checkpoint := []byte(text7(k.origin, 7, 1))
	verifier, err := note.NewVerifier(k.public.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := k.sign(privsep.Sign{Key: privsep.CheckpointKey, Data: checkpoint}); err != nil || !verifier.Verify(checkpoint, s.Signature) {
		t.Error(err)
	}
	hash := make([]byte, 32)
	if s, err := k.sign(privsep.Sign{Key: privsep.HostKey, Data: hash}); err != nil || !ed25519.Verify(k.public.Host, hash, s.Signature) {
		t.Error(err)
	}
	for _, s := range []privsep.Sign{
		{Key: privsep.HostKey, Data: checkpoint}, {Key: privsep.CheckpointKey, Data: hash}, {Key: "x", Data: hash},
		{Key: privsep.HostKey}, {Key: privsep.CheckpointKey, Data: []byte("another/log\n" + strings.Repeat("x", 64) + "\n")},
		{Key: privsep.CheckpointKey, Data: []byte(k.origin + "\n" + strings.Repeat("x", maxCheckpoint) + "\n")},
		{Key: privsep.CheckpointKey, Data: []byte(text7("another/log", 8, 1))},
		{Key: privsep.CheckpointKey, Data: []byte(text7(k.origin, 8, 1) + "more 1\n")},
		{Key: privsep.CheckpointKey, Data: []byte(text7(k.origin, 8, 1) + "\n")},
	} {
		if _, err := k.sign(s); err == nil {
			t.Errorf("it signs %q with %s", s.Data, s.Key)
		}
	}
	if err := os.Chmod(dir.Name()+"/"+HostFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := open(dir, nil); err == nil || !strings.Contains(err.Error(), "nobody else may read") {
		t.Error(err)
	}
}

// text7 is a checkpoint of so many records, with one of many roots.
func text7(origin string, size int, root byte) string {
	return textOf(origin, size, tlog.Hash{root})
}

func textOf(origin string, size int, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\nformat 2\ntime 2026-11-27T07:00:00Z\n", origin, size, root)
}

// tree is a log of records.
type tree []tlog.Hash // as stored

func (h tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = h[index]
	}
	return out, nil
}

// treeOf gives a log of the records of another, with more.
func treeOf(t *testing.T, records []string) (h tree) {
	t.Helper()
	for i, r := range records {
		more, err := tlog.StoredHashes(int64(i), []byte(r), h)
		if err != nil {
			t.Fatal(err)
		}
		h = append(h, more...)
	}
	return h
}

// asked is a request for a checkpoint of the first records, with the proof that it goes on from
// fewer.
func (h tree) asked(t *testing.T, origin string, size, from int) privsep.Sign {
	t.Helper()
	root, err := tlog.TreeHash(int64(size), h)
	if err != nil {
		t.Fatal(err)
	}
	s := privsep.Sign{Key: privsep.CheckpointKey, Data: []byte(textOf(origin, size, root))}
	if from > 0 && from < size {
		proof, err := tlog.ProveTree(int64(size), int64(from), h)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range proof {
			s.Proof = append(s.Proof, p[:])
		}
	}
	return s
}

// lasting are keys in a directory of their own, which can be opened anew.
type lasting struct {
	*keys
	t   *testing.T
	dir *os.File
}

func newLasting(t *testing.T) *lasting {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	l := &lasting{t: t, dir: dir}
	if l.keys, err = open(dir, []string{HostFile, CheckpointFile}); err != nil {
		t.Fatal(err)
	}
	l.again(l.origin)
	return l
}

// again is the holder started anew, of a log of that name.
func (l *lasting) again(origin string) {
	l.t.Helper()
	was := l.last
	var err error
	if l.last, err = openLast(l.dir, origin); err != nil {
		l.t.Fatal(err)
	}
	l.origin = origin
	if was != nil {
		if err := unix.Close(was.fd); err != nil {
			l.t.Fatal(err)
		}
	}
	l.t.Cleanup(func() { _ = unix.Close(l.last.fd) })
}

func (l *lasting) sign(what string, s privsep.Sign, works bool) {
	l.t.Helper()
	_, err := l.keys.sign(s)
	if works != (err == nil) || err != nil && !strings.Contains(err.Error(), "remove "+LastFile) {
		l.t.Errorf("%s: %v", what, err)
	}
}

func records(what string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(what, i))
	}
	return out
}

// The log's key signs the log as it goes on, and nothing else: not with fewer records, not another one
// with as many or more, however much of the beginning is the same, not without a proof, nor with one
// of another size; also after the holder has begun anew. A log by another name begins.
func TestLast(t *testing.T) {
	l := newLasting(t)
	if !l.last.began {
		t.Error("it does not say that it begins")
	}
	real := treeOf(t, records("deed", 300))
	l.sign("nothing", real.asked(t, l.origin, 0, 0), true)
	sizes := []int{1, 2, 7, 8, 9, 100, 128, 129, 255, 256}
	at := 0
	for i, size := range sizes {
		l.sign("as it goes on", real.asked(t, l.origin, size, at), true)
		l.sign("once more", real.asked(t, l.origin, size, 0), true)
		if i%2 == 0 {
			l.again(l.origin)
		}
		at = size
		l.sign("fewer", real.asked(t, l.origin, size-1, 0), false)
		l.sign("without a proof", real.asked(t, l.origin, size+1, 0), false)
		if size > 1 {
			l.sign("by a proof of another size", real.asked(t, l.origin, size+1, size-1), false)
		}
		for _, kept := range []int{0, size / 2, size - 1} { // so much of the beginning is the same
			changed := records("deed", size+40)
			changed[kept] = "innocence"
			forged := treeOf(t, changed)
			l.sign("changed, as many", forged.asked(t, l.origin, size, 0), false)
			l.sign("changed, one more", forged.asked(t, l.origin, size+1, size), false)
			l.sign("changed, and longer", forged.asked(t, l.origin, size+40, size), false)
			mixed := forged.asked(t, l.origin, size+40, size)
			mixed.Proof = real.asked(t, l.origin, size+40, size).Proof
			l.sign("changed, by the real log's proof", mixed, false)
		}
	}
	if l.last.began || l.last.size != 256 {
		t.Errorf("%+v", l.last)
	}
	if origin, size, root, err := Last(l.dir.Name()); err != nil || origin != l.origin || size != 256 || root != l.last.root {
		t.Errorf("%s %d %v %v", origin, size, root, err)
	}
	l.again("another/log") // as when the key is rolled
	l.sign("another log", treeOf(t, records("else", 3)).asked(t, l.origin, 3, 0), true)
	l.sign("another log, with changes", treeOf(t, records("elsewhere", 9)).asked(t, l.origin, 9, 3), false)
	if err := os.WriteFile(l.dir.Name()+"/"+LastFile, []byte("7 x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLast(l.dir, l.origin); err == nil || !strings.Contains(err.Error(), "audit verify") {
		t.Error(err)
	}
	if _, _, _, err := Last(l.dir.Name()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
}

// No size and no proof has the holder count for ever, or fail: the greatest sizes end tlog's
// counting in powers of two never.
func TestLastIsBounded(t *testing.T) {
	l := newLasting(t)
	real := treeOf(t, records("deed", 3))
	l.sign("three", real.asked(t, l.origin, 3, 0), true)
	for _, size := range []string{"4611686018427387904", "4611686018427387905", "9223372036854775807", "9223372036854775808", "281474976710657", "-1", "1e9", "08"} {
		text := fmt.Sprintf("%s\n%s\n%s\nformat 2\n", l.origin, size, tlog.Hash{1})
		for _, n := range []int{0, 1, 62, 128, 129, 4000} {
			s := privsep.Sign{Key: privsep.CheckpointKey, Data: []byte(text), Proof: make([][]byte, n)}
			for i := range s.Proof {
				s.Proof[i] = make([]byte, tlog.HashSize)
			}
			if _, err := l.keys.sign(s); err == nil {
				t.Errorf("%s records are signed", size)
			}
		}
	}
	s := real.asked(t, l.origin, 3, 0)
	s.Proof = [][]byte{{1}}
	if _, err := l.keys.sign(s); err == nil || !strings.Contains(err.Error(), "no hash") {
		t.Error(err)
	}
}

// Of whatever comes, nothing is signed that does not go on from what was.
func FuzzSign(f *testing.F) {
	f.Add(uint64(5), []byte("x"), []byte("yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"))
	f.Add(uint64(1)<<62, []byte("x"), make([]byte, 64*32))
	before := tlog.Hash{7}
	f.Fuzz(func(t *testing.T, size uint64, root, proof []byte) {
		var to tlog.Hash
		copy(to[:], root)
		s := privsep.Sign{Key: privsep.CheckpointKey, Data: []byte(fmt.Sprintf("o\n%d\n%s\n", size, to))}
		for len(proof) > 0 {
			n := min(len(proof), tlog.HashSize)
			s.Proof, proof = append(s.Proof, proof[:n]), proof[n:]
		}
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		k := &keys{origin: "o", checkpoint: key, last: &last{fd: -1, origin: "o", statement: statement{3, before}}}
		// Only who finds a second preimage of SHA-256 has more signed.
		if _, err := k.sign(s); err == nil && (size != 3 || to != before) {
			t.Errorf("%d records with root %v are signed", size, to)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(text7("o", 7, 1))
	f.Add("o\n7\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parse(text, "o"); err == nil && !strings.HasPrefix(text, fmt.Sprintf("o\n%d\n%s\n", s.size, s.root)) {
			t.Errorf("%q is taken for %v", text, s)
		}
	})
}

// Authority finds the key that ssh does.
func TestAuthority(t *testing.T) {
	_, authority, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(authority)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	line, fingerprint := Public(public)
	if line+"\n" != string(ssh.MarshalAuthorizedKey(key)) || fingerprint != ssh.FingerprintSHA256(key) {
		t.Errorf("%s %s", line, fingerprint)
	}
	cert := &ssh.Certificate{Key: key, Serial: 7, CertType: ssh.HostCert, KeyId: "x", ValidPrincipals: []string{"a", "bb"}, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	text := ssh.MarshalAuthorizedKey(cert)
	if got := Authority(text); got+"\n" != string(ssh.MarshalAuthorizedKey(signer.PublicKey())) {
		t.Errorf("%q", got)
	}
	for n := range len(text) - 1 { // none of what is cut off has anything go wrong
		_ = Authority(text[:n])
	}
	if got := Authority([]byte(line)); got != "" {
		t.Errorf("%q", got)
	}
}

func FuzzParseHost(f *testing.F) {
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := parseHost(data); (err == nil) != (len(key) == ed25519.PrivateKeySize) {
			t.Error(key, err)
		}
	})
}
