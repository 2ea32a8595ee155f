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
	return fmt.Sprintf("%s\n%d\n%s\nformat 2\ntime 2026-11-27T07:00:00Z\n", origin, size, tlog.Hash{root})
}

// The log's key signs the log as it goes on, and no other beginning of it, also after the
// holder has begun anew; but of a log by another name.
func TestLast(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	k, err := open(dir, []string{HostFile, CheckpointFile})
	if err != nil {
		t.Fatal(err)
	}
	k.last, err = openLast(dir, k.origin)
	sign := func(size int, root byte, works bool) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_, err := k.sign(privsep.Sign{Key: privsep.CheckpointKey, Data: []byte(text7(k.origin, size, root))})
		if works != (err == nil) || err != nil && !strings.Contains(err.Error(), "another beginning") {
			t.Errorf("%d records, root %d: %v", size, root, err)
		}
	}
	sign(0, 0, true)
	sign(7, 1, true)
	sign(7, 1, true)
	sign(7, 2, false)
	sign(6, 1, false)
	k.last, err = openLast(dir, k.origin)
	sign(6, 1, false)
	sign(7, 2, false)
	sign(1000000, 2, true)
	k.last, err = openLast(dir, k.origin)
	sign(999, 2, false)
	k.last, err = openLast(dir, "another/log")
	sign(3, 9, true)
	if err := os.WriteFile(dir.Name()+"/"+LastFile, []byte("7 x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLast(dir, k.origin); err == nil || !strings.Contains(err.Error(), "audit verify") {
		t.Error(err)
	}
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
