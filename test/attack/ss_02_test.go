package attack

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/test/host"
)

// Mallory begins to log in under one name and ends under another: she asks to be let in
// without anything as the owner, offers the owner's key under that name, and proves her
// own under the next one; or she signs for one name and sends the other. She hopes that something of the first stays. It does not: who she is says
// the last pair of name and key that was verified, and of that the key alone.
func TestSS02NameChanged(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_offered", attack: func(w *world) {
		look := []string{"capture-pane", "-p", "-t", owner + "/secret"}
		for i, second := range []string{"secret.", "nobody.", typist} { // as long as the owner's
			n := newName(owner)
			client, err := w.dialSSHNamed(n, 10*i,
				named{n, owner, w.signerOf(owner).PublicKey(), nil},
				named{n, second, w.signerOf(stranger).PublicKey(), w.signerOf(stranger)})
			if err != nil {
				w.t.Fatalf("as %s: %v", second, err)
			}
			w.lookSSH(client, look)
			_ = client.Close() // or muxward is not at rest in the end
		}
		n := newName(owner)
		_, err := w.dialSSHNamed(n, 40, switched{named{n, owner, w.signerOf(stranger).PublicKey(), w.signerOf(stranger)}, typist})
		if err == nil {
			w.gain("what was signed for one name was taken for another")
		}
		if w.control {
			return
		}
		for _, e := range w.Audit() {
			if e.Door == "ssh" && e.Person != "" && e.Person != stranger {
				t.Errorf("somebody is %s: %+v", e.Person, e)
			}
		}
	}}.run(t)
}

// name is a user name that changes. The library's client says one name all along: this
// one has its bytes changed meanwhile, to others of the same length.
type name []byte

func newName(s string) name { return name(s) }

// named is a key that is offered under a name. Without a signer it is offered only.
type named struct {
	name name
	as   string
	key  ssh.PublicKey
	sign ssh.Signer
}

// PublicKey is asked for before a key is offered.
func (k named) PublicKey() ssh.PublicKey {
	copy(k.name, k.as)
	if k.sign == nil {
		return &offered{PublicKey: k.key}
	}
	return k.key
}

// offered is a key that the client does not know again in the server's answer, so that
// it goes on with the next.
type offered struct {
	ssh.PublicKey
	sent bool
}

// Marshal gives the key the first time.
func (k *offered) Marshal() []byte {
	if k.sent {
		return nil
	}
	k.sent = true
	return k.PublicKey.Marshal()
}

// Sign signs.
func (k named) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.sign.Sign(rand, data)
}

// switched is a key whose signature is sent under another name than it was made for.
type switched struct {
	named
	then string
}

// Sign signs, and changes the name of what is sent with it.
func (k switched) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	sig, err := k.named.Sign(rand, data)
	copy(k.name, k.then)
	return sig, err
}

// dialSSHNamed logs in under a name that the keys change.
func (w *world) dialSSHNamed(n name, from int, keys ...ssh.Signer) (*ssh.Client, error) {
	w.t.Helper()
	return w.dialSSHWith(unsafe.String(&n[0], len(n)), from, ssh.PublicKeys(keys...))
}

// lookSSH tries a command on a connection that is open.
func (w *world) lookSSH(client *ssh.Client, args []string) {
	w.t.Helper()
	s, err := client.NewSession()
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	out, err := s.CombinedOutput(strings.Join(args, " "))
	r := host.Result{Out: string(out)}
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		r.Code = exit.ExitStatus()
	} else if err != nil {
		w.t.Fatal(err)
	}
	w.note(stranger, args, r)
	if r.Code == 0 {
		w.gain("%q", r.Out)
	}
}
