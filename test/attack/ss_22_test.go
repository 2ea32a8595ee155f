package attack

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// saying answers what is asked behind a key.
func saying(say func() (string, error)) ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		code, err := say()
		return []string{code}, err
	})
}

// Mallory has got hold of keys of people who have a second factor, and hopes that a key
// is enough: alone, with a code that she has seen typed, with one of somebody else whose
// secret she knows, with the right code when the key has just been taken away, and by
// guessing. A code is taken once, from the person whose it is, who may guess a few
// times, and the key has to be good when the code comes.
func TestSS22SecondFactor(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{owner: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", viewer: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
		typist: "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}
	row{ssh: true, restless: true, teeth: "teeth_totp", gains: 4, totp: secrets, attack: func(w *world) {
		from := 10
		comes := func(who string, say func() (string, error)) *ssh.Client {
			from++ // an address that fails often has to wait
			c, err := w.dialSSHAs(w.signerOf(who), from, saying(say))
			if err != nil {
				return nil
			}
			return c
		}
		tries := func(what, who string, say func() string) {
			if c := comes(who, func() (string, error) { return say(), nil }); c != nil {
				w.gain("with %s", what)
				_ = c.Close()
			}
		}
		seen := w.Code(secrets[owner], 0)
		alice := comes(owner, func() (string, error) { return seen, nil })
		if alice == nil {
			t.Fatal("alice does not come in")
		}
		if _, err := w.dialSSHAs(w.signerOf(owner), 5); err == nil {
			t.Error("somebody comes with a key alone")
		}
		tries("a code that was used", owner, func() string { return seen })
		tries("somebody else's code", owner, func() string { return w.Code(secrets[viewer], 0) })
		tries("the right code, when the key is gone", owner, func() string {
			w.WriteSSH("keys/"+owner+".keys", "# stolen\n")
			w.Signal(syscall.SIGHUP)
			if err := alice.Wait(); err == nil {
				t.Error("alice's connection ends by itself")
			}
			return w.Code(secrets[owner], 1)
		})
		for i := range 20 {
			tries("a guess", typist, func() string { return fmt.Sprint("guess ", i) })
		}
		if bob := comes(viewer, func() (string, error) { return w.Code(secrets[viewer], 0), nil }); bob == nil {
			t.Error("bob does not come in meanwhile")
		}
		tries("a lucky guess after many", typist, func() string { return w.Code(secrets[typist], 0) })
		if w.control {
			return
		}
		w.AllowKey(owner, w.KeyOf(owner), "")
		w.Signal(syscall.SIGHUP)
		tmuxtest.Eventually(t, func() bool {
			asked := false
			comes(owner, func() (string, error) { asked = true; return "", errors.New("no code") })
			return asked
		}, "alice has her key again")
	}}.run(t)
}
