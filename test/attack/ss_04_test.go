package attack

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Mallory has a key, and certificates for it that are nearly good: of the right authority,
// and over, or for somebody else, or with something in them that cannot be kept; or of
// an authority of her own. Each proves nobody, and the log tells why.
func TestSS04Certificates(t *testing.T) {
	t.Parallel()
	row{ssh: true, teeth: "teeth_certificates", gains: 12, restless: true, attack: func(w *world) {
		ca, laptop := w.signerFile("ca"), w.stray()
		w.WriteSSH("authorities", string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
		w.Signal(syscall.SIGHUP)
		from := 0
		try := func(by ssh.Signer, change func(*ssh.Certificate)) error {
			from++ // an address that fails often has to wait
			c, err := w.dialSSHAs(certified(t, by, laptop, change), from)
			if err == nil {
				_ = c.Close()
			}
			return err
		}
		good := func(*ssh.Certificate) {}
		tmuxtest.Eventually(t, func() bool { return try(ca, good) == nil }, "a good certificate is taken")
		now := uint64(time.Now().Unix())
		for _, c := range []struct {
			what, why string
			by        ssh.Signer
			change    func(*ssh.Certificate)
		}{
			{"expired", "expired", ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = now-7200, now-3600 }},
			{"not yet valid", "not yet valid", ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = now+3600, now+7200 }},
			{"never valid", "", ca, func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = now+60, now-60 }},
			{"of a host", "not one of a user", ca, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }},
			{"of another kind", "not one of a user", ca, func(c *ssh.Certificate) { c.CertType = 3 }},
			{"of her own authority", "nobody who is an authority", w.stray(), good},
			{"of a key of hers", "nobody who is an authority", w.signerOf(stranger), good},
			{"of itself", "nobody who is an authority", laptop, good},
			{"of nobody", "names no principals", ca, func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
			{"of two", "names both", ca, func(c *ssh.Certificate) { c.ValidPrincipals = []string{owner, stranger} }},
			{"of a list in one", "nobody who is a person", ca, names(owner + "," + stranger)},
			{"of another spelling", "nobody who is a person", ca, names("MWalice")},
			{"of a name with a blank", "nobody who is a person", ca, names(owner + " ")},
			{"of a name that goes on", "nobody who is a person", ca, names(owner + "\x00x")},
			{"of a pattern", "nobody who is a person", ca, names("mw*")},
			{"of a group", "nobody who is a person", ca, names("@oncall")},
			{"of nobody here", "nobody who is a person", ca, names("deploy")},
			{"of an empty name", "nobody who is a person", ca, names("")},
			{"of too many", "more than 64 principals", ca, func(c *ssh.Certificate) {
				for i := range 70 {
					c.ValidPrincipals = append(c.ValidPrincipals, fmt.Sprint("p", i))
				}
			}},
			{"unknown option", "critical option", ca, option("x@example.org", "")},
			{"one command", "critical option", ca, option("force-command", "tmux ls")},
			{"a PIN", "critical option", ca, option("verify-required", "")},
			{"elsewhere", "may not come from there", ca, option("source-address", "192.0.2.0/24")},
			{"nowhere", "source-address", ca, option("source-address", "")},
			{"anywhere", "source-address", ca, option("source-address", "*")},
			{"without a touch", "touch", ca, func(c *ssh.Certificate) { c.Extensions["no-touch-required"] = "" }},
			{"of 128 KiB", "", ca, func(c *ssh.Certificate) { c.KeyId = strings.Repeat("x", 128<<10) }},
		} {
			if err := try(c.by, c.change); err == nil {
				w.gain("a certificate comes in: %s", c.what)
			}
			if !w.control && c.why != "" {
				w.toldAtDoor(c.why)
			}
		}
		w.changedCertificates(ca, laptop)
		if w.control {
			return
		}
		w.revokedCertificates(try, ca)
	}}.run(t)
}

// changedCertificates come with a signature that is not theirs.
func (w *world) changedCertificates(ca, laptop ssh.Signer) {
	w.t.Helper()
	for i, change := range []func(*ssh.Certificate){
		names(owner),
		func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity },
		func(c *ssh.Certificate) { c.SignatureKey = w.stray().PublicKey() },
		func(c *ssh.Certificate) { c.Signature.Blob[3] ^= 1 },
		func(c *ssh.Certificate) { c.Serial++ },
	} {
		cert := certificateOf(w.t, ca, laptop, names(viewer))
		change(cert)
		key, err := ssh.NewCertSigner(cert, laptop)
		if err != nil {
			w.t.Fatal(err)
		}
		if c, err := w.dialSSHAs(key, 200+i); err == nil {
			w.gain("a certificate comes in that was changed after it was signed (%d)", i)
			_ = c.Close()
		}
	}
}

// revokedCertificates have a list made by ssh-keygen that takes some away.
func (w *world) revokedCertificates(try func(ssh.Signer, func(*ssh.Certificate)) error, ca ssh.Signer) {
	w.t.Helper()
	spec, krl := w.Base+"/ssh/spec", w.Base+"/ssh/krl"
	if err := os.WriteFile(spec, []byte("serial: 70-79\nid: lost\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.Keygen("-k", "-f", krl, "-s", w.Base+"/ssh/ca.pub", spec)
	list, err := os.ReadFile(krl)
	if err != nil {
		w.t.Fatal(err)
	}
	w.WriteSSH("revoked", string(list))
	w.Signal(syscall.SIGHUP)
	lost := func(c *ssh.Certificate) { c.KeyId = "lost" }
	tmuxtest.Eventually(w.t, func() bool { return try(ca, lost) != nil }, "the list is in force")
	if try(ca, func(c *ssh.Certificate) { c.Serial = 75 }) == nil {
		w.gain("a certificate comes in that is revoked by its number")
	}
	if err := try(ca, func(c *ssh.Certificate) { c.Serial = 80 }); err != nil {
		w.t.Errorf("a certificate that is not revoked: %v", err)
	}
	w.toldAtDoor("revoked")
}

// toldAtDoor waits until the log tells why somebody did not come in.
func (w *world) toldAtDoor(why string) {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool {
		for _, e := range w.Audit() {
			if e.Kind == "door" && e.Door == "ssh" && !e.Allowed && strings.Contains(e.Reason, why) {
				return true
			}
		}
		return false
	}, "the log tells of %q", why)
}

// signerFile makes a key that ssh-keygen finds, too.
func (w *world) signerFile(name string) ssh.Signer {
	w.t.Helper()
	pem, err := os.ReadFile(w.NewKey(name))
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

func names(principal string) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) { c.ValidPrincipals = []string{principal} }
}

func option(name, value string) func(*ssh.Certificate) {
	return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
}

// certificateOf is one of a key for the owner, but for what is changed before it is signed.
func certificateOf(t *testing.T, ca, key ssh.Signer, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	now := uint64(time.Now().Unix())
	cert := &ssh.Certificate{Key: key.PublicKey(), Serial: 1, CertType: ssh.UserCert, KeyId: "laptop", ValidPrincipals: []string{owner},
		ValidAfter: now - 60, ValidBefore: now + 3600, Permissions: ssh.Permissions{Extensions: map[string]string{"permit-pty": ""}}}
	change(cert)
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	return cert
}

func certified(t *testing.T, ca, key ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewCertSigner(certificateOf(t, ca, key, change), key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
