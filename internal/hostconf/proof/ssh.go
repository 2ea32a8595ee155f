package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// SSHDoor is the ssh door of a muxward.
type SSHDoor struct {
	// Addr is where it listens, "" if it is closed, and HostKey its key, as a line of authorized_keys,
	// "" if that is not known.
	Addr, HostKey string
	// Key is a file with the private key of somebody whom the door is to take; "" is not tried.
	Key string
}

// try has nobody come, and who has Key.
func (s SSHDoor) try(ctx context.Context) []Proof {
	if s.Addr == "" {
		return []Proof{{ID: "MW-V061", Title: "the ssh door takes who it should, and nobody else", Outcome: Skipped, Evidence: []string{"it is closed"}}}
	}
	return []Proof{s.nobody(ctx), s.somebody(ctx)}
}

// nobody comes with a key that was made this moment.
func (s SSHDoor) nobody(ctx context.Context) Proof {
	p := Proof{ID: "MW-V061", Title: "the ssh door takes nobody by a key that is nobody's", Outcome: Holds, Lost: "anybody comes in there"}
	key, err := newKey()
	if err != nil {
		p.Outcome, p.Evidence = Unknown, []string{err.Error()}
		return p
	}
	err = s.login(ctx, key)
	switch {
	case err == nil, errors.Is(err, errMore):
		p.Outcome, p.Evidence = Broken, []string{"a key that was made this moment is taken at " + s.Addr}
	case errors.Is(err, errOtherKey):
		p.Outcome, p.Lost, p.Evidence = Broken, "people give their names to somebody else", []string{err.Error()}
	case notTaken(err):
		p.Evidence = []string{s.Addr + " refuses it"}
	default:
		p.Outcome, p.Evidence = Unknown, []string{err.Error()}
	}
	return p
}

// somebody comes with a key that the door is to take. None is made for that: it would have to be listed
// where it could be left behind.
func (s SSHDoor) somebody(ctx context.Context) Proof {
	p := Proof{ID: "MW-V062", Title: "the ssh door takes the key of a person", Outcome: Unknown, Lost: "people do not come in there"}
	if s.Key == "" {
		p.Evidence = []string{"not tried: name the private key of somebody whom it is to take with --key"}
		return p
	}
	key, err := readKey(s.Key)
	if err != nil {
		p.Evidence = []string{fmt.Sprintf("%s: %v", s.Key, err)}
		return p
	}
	fingerprint := ssh.FingerprintSHA256(key.PublicKey())
	err = s.login(ctx, key)
	switch {
	case errors.Is(err, errMore):
		p.Outcome, p.Evidence = Holds, []string{fingerprint + " is taken; what is asked for behind it was not answered"}
	case err == nil:
		p.Outcome, p.Evidence = Holds, []string{fingerprint + " is taken"}
	case notTaken(err), errors.Is(err, errOtherKey):
		p.Outcome, p.Evidence = Broken, []string{fingerprint + ": " + err.Error()}
	default:
		p.Evidence = []string{err.Error()}
	}
	return p
}

var (
	errOtherKey = errors.New("another host key is there than muxward's")
	errMore     = errors.New("more is asked for behind the key")
)

// notTaken reports whether somebody was told that they have not proved who they are.
func notTaken(err error) bool {
	return err != nil && strings.Contains(err.Error(), "unable to authenticate")
}

// login proves a key, and hangs up. It is errMore if the key was taken, and something else is asked for behind
// it. Nothing but the key is tried: a door may take passwords from anybody.
func (s SSHDoor) login(ctx context.Context, key ssh.Signer) error {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return fmt.Errorf("the ssh door's address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_, err = shake(conn, "verify", func(_ string, _ net.Addr, got ssh.PublicKey) error {
		want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
		if cert, is := got.(*ssh.Certificate); is {
			got = cert.Key
		}
		if s.HostKey != "" && (err != nil || !bytes.Equal(want.Marshal(), got.Marshal())) {
			return errOtherKey
		}
		return nil
	}, key)
	return err
}

// shake begins ssh on a connection with a key, which it closes if that fails.
func shake(conn net.Conn, user string, host ssh.HostKeyCallback, key ssh.Signer) (*ssh.Client, error) {
	c, channels, requests, err := ssh.NewClientConn(conn, "", &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: host, Timeout: stepTime,
		AuthCallback: func(c *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			if slices.Contains(c.PartialSuccessMethods, "publickey") {
				return nil, errMore
			}
			return nil, nil // the next of Auth
		}})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// maxKey is more than the largest private key has.
const maxKey = 64 << 10

func readKey(file string) (ssh.Signer, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO keeps nobody waiting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKey))
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(data)
}

func newKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

// bySSHD asks by a login of the host's sshd: the program and the configuration of the host, as a process of
// its own on a pair of sockets, for which one key counts that was made this moment. The key is in that process's
// arguments (AuthorizedKeysCommand) and in no file, so that nothing can be left behind.
func bySSHD(ctx context.Context, a identity.Account) (string, error) {
	sshd, err := program("sshd")
	if err != nil {
		return "", err
	}
	echo, err := exec.LookPath("/bin/echo")
	if err != nil {
		return "", err
	}
	key, err := newKey()
	if err != nil {
		return "", err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "sshd's")
	defer ours.Close()
	defer theirs.Close()
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	cmd := alone(exec.CommandContext(ctx, sshd, "-i", "-e", "-o", "AuthorizedKeysFile=none", "-o", "AuthorizedKeysCommand="+echo+" "+line,
		"-o", "AuthorizedKeysCommandUser=root", "-o", "PubkeyAuthentication=yes", "-o", "AuthenticationMethods=publickey"))
	var said heard
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	_ = theirs.Close()
	got, err := overSSH(ctx, ours, a.Name, key)
	_ = ours.Close()
	_ = cmd.Wait() // it ends as its connection does
	if err != nil {
		err = fmt.Errorf("%w; sshd says: %s", err, clipped(said.String()))
	}
	return got, err
}

// overSSH logs in over a connection, and asks.
func overSSH(ctx context.Context, file *os.File, user string, key ssh.Signer) (string, error) {
	conn, err := net.FileConn(file)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	client, err := shake(conn, user, ssh.InsecureIgnoreHostKey(), key) // it is who we have started
	if err != nil {
		return "", err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	var out heard
	session.Stdout, session.Stderr = &out, &out
	err = session.Run(told)
	return out.String(), err
}
