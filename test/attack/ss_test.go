package attack

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// trySSH has somebody try a command line by ssh; what they hear is kept, and that
// they tried must be in the log.
func (w *world) trySSH(who string, args ...string) host.Result {
	w.t.Helper()
	r := w.SSH(who, args...)
	w.note(who, args, r)
	return r
}

// attachSSH puts an attacker on a terminal by ssh, and keeps what is shown there.
func (w *world) attachSSH(who string, c tmuxtest.TerminalConfig, args ...string) *tmuxtest.Terminal {
	w.t.Helper()
	x := w.SSHTerminal(who, c, args...)
	w.terminals = append(w.terminals, x)
	w.listen(who+"'s ssh", x.Bytes)
	return x
}

// loopback is an address of this host for somebody who comes from elsewhere.
func loopback(n int) string { return fmt.Sprintf("127.0.%d.%d", 1+n/200, 1+n%200) }

// dialSSH is a client of our own, that says what it likes.
func (w *world) dialSSH(who string, n int) (*ssh.Client, error) {
	w.t.Helper()
	return w.dialSSHAs(w.signerOf(who), n)
}

// signerOf is a person's key.
func (w *world) signerOf(who string) ssh.Signer {
	w.t.Helper()
	pem, err := os.ReadFile(w.KeyOf(who))
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// stray is a key that nobody knows.
func (w *world) stray() ssh.Signer {
	w.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// reachedKeys reports whether a login that failed was asked for a key at all.
func reachedKeys(err error) bool { return strings.Contains(err.Error(), "unable to authenticate") }

// dialSSHAs comes with a key, and with more if it is asked for.
func (w *world) dialSSHAs(key ssh.Signer, n int, more ...ssh.AuthMethod) (*ssh.Client, error) {
	w.t.Helper()
	return w.dialSSHWith("x", n, append([]ssh.AuthMethod{ssh.PublicKeys(key)}, more...)...)
}

func (w *world) dialSSHWith(user string, n int, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(n))}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", w.SSHAddr())
	if err != nil {
		return nil, err
	}
	if err := nc.SetDeadline(time.Now().Add(time.Minute)); err != nil { // of the whole attack
		w.t.Fatal(err)
	}
	c, channels, requests, err := ssh.NewClientConn(nc, w.SSHAddr(), &ssh.ClientConfig{
		User: user, Auth: auth, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	client := ssh.NewClient(c, channels, requests)
	w.t.Cleanup(func() { _ = client.Close() })
	return client, nil
}

// internalService is something of this host that is not for everybody.
func (w *world) internalService() (addr string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.serveMark(l)
	return l.Addr().String()
}

// serveMark says to whoever connects what is not for everybody.
func (w *world) serveMark(l net.Listener) {
	w.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("internal " + w.mark + "\n"))
			_ = c.Close()
		}
	}()
}

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
