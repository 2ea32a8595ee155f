package holder

import (
	"crypto/ed25519"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

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
	checkpoint := []byte(k.origin + "\n7\n" + strings.Repeat("x", 64) + "\n")
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

func FuzzParseHost(f *testing.F) {
	f.Add([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := parseHost(data); (err == nil) != (len(key) == ed25519.PrivateKeySize) {
			t.Error(key, err)
		}
	})
}
