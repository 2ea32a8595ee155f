package proof

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// sshDoor listens, and takes those keys that take says, or asks anybody for a password; it gives the address and its host key.
func sshDoor(t *testing.T, take func(ssh.PublicKey) (*ssh.Permissions, error), passwords bool) SSHDoor {
	t.Helper()
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conf := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) { return take(k) }}
	if passwords {
		conf.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			t.Error("a password is asked for, of nobody that is known")
			_, err := ask("", "", []string{"Password: "}, []bool{false})
			return nil, errors.Join(errors.New("no"), err)
		}
	}
	conf.AddHostKey(key)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _, _, _ = ssh.NewServerConn(conn, conf)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return SSHDoor{Addr: l.Addr().String(), HostKey: string(ssh.MarshalAuthorizedKey(key.PublicKey()))}
}

// Who is refused and who is taken at an ssh door is told apart, and who else answers there.
func TestSSHDoor(t *testing.T) {
	theirs, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	writeKey(t, file)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	person, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(ssh.PublicKey) (*ssh.Permissions, error) { return nil, errors.New("no") }
	all := func(ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
	one := func(k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) == string(person.PublicKey().Marshal()) {
			return nil, nil
		}
		return refuse(k)
	}
	more := func(k ssh.PublicKey) (*ssh.Permissions, error) {
		if _, err := one(k); err != nil {
			return nil, err
		}
		return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
			KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
				if _, err := ask("", "", []string{"code"}, []bool{false}); err != nil {
					return nil, err
				}
				return nil, errors.New("no")
			}}}
	}
	for name, c := range map[string]struct {
		take             func(ssh.PublicKey) (*ssh.Permissions, error)
		hostKey, key     string
		passwords        bool
		nobody, somebody Outcome
	}{
		"refuses all":                {take: refuse, key: file, nobody: Holds, somebody: Broken},
		"takes all":                  {take: all, key: file, nobody: Broken, somebody: Holds},
		"takes one":                  {take: one, key: file, nobody: Holds, somebody: Holds},
		"or a password, and refuses": {take: refuse, passwords: true, key: file, nobody: Holds, somebody: Broken},
		"or a password, and takes":   {take: one, passwords: true, key: file, nobody: Holds, somebody: Holds},
		"asks all for more": {take: func(ssh.PublicKey) (*ssh.Permissions, error) { return more(person.PublicKey()) },
			key: file, nobody: Broken, somebody: Holds},
		"asks for more": {take: more, key: file, nobody: Holds, somebody: Holds},
		"another's":     {take: one, hostKey: string(ssh.MarshalAuthorizedKey(theirs.PublicKey())), key: file, nobody: Broken, somebody: Broken},
		"no key":        {take: one, nobody: Holds, somebody: Unknown},
		"no such key":   {take: one, key: file + "-none", nobody: Holds, somebody: Unknown},
	} {
		door := sshDoor(t, c.take, c.passwords)
		if door.Key = c.key; c.hostKey != "" {
			door.HostKey = c.hostKey
		}
		got := door.try(t.Context())
		if len(got) != 2 || got[0].ID != "MW-V061" || got[0].Outcome != c.nobody || got[1].ID != "MW-V062" || got[1].Outcome != c.somebody {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := (SSHDoor{}).try(t.Context()); len(got) != 1 || got[0].Outcome != Skipped {
		t.Errorf("a door that is closed: %+v", got)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := (SSHDoor{Addr: l.Addr().String()}).try(t.Context()); got[0].Outcome != Unknown {
		t.Errorf("nobody listens: %+v", got)
	}
}

// writeKey writes a private key.
func writeKey(t *testing.T, file string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err == nil {
		err = os.WriteFile(file, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
