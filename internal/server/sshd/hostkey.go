package sshd

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// HostKey is what the door proves itself with. Its private half is behind
// crypto.Signer: it need not be in this process.
type HostKey struct {
	signer ssh.Signer
	cert   atomic.Pointer[hostCertificate] // nil if it has none
	// New is set if it was made just now.
	New bool
}

// NewHostKey is a host key whose private half is behind key.
func NewHostKey(key crypto.Signer) (*HostKey, error) {
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("the host key cannot be used: %w", err)
	}
	return &HostKey{signer: signer}, nil
}

// Fingerprint is the key's SHA-256, as ssh shows it at the first connection.
func (h *HostKey) Fingerprint() string { return ssh.FingerprintSHA256(h.signer.PublicKey()) }

// Public is the public key as in a .pub file.
func (h *HostKey) Public() string {
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(h.signer.PublicKey())))
}

// KnownHosts is the line for people's known_hosts, for a host by these names at a
// port.
func (h *HostKey) KnownHosts(port string, names ...string) string {
	var b bytes.Buffer
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		if port == "22" {
			b.WriteString(n)
		} else {
			b.WriteString("[" + n + "]:" + port)
		}
	}
	b.WriteByte(' ')
	b.WriteString(h.Public())
	return b.String()
}

// SSHFP is the record for a host's DNS.
func (h *HostKey) SSHFP(name string) string {
	sum := sha256.Sum256(h.signer.PublicKey().Marshal())
	return name + " IN SSHFP 4 2 " + hex.EncodeToString(sum[:])
}

const (
	hostKeyFile = "ssh_host_ed25519_key"
	maxKeyFile  = 16 << 10
)

// OpenHostKey takes the host key of a directory, which is made there if there is
// none. One that others may read, or that is not ours, is refused: it is as good
// as theirs. So is one that is gone while its public half is still there: people
// would be asked to trust another in its place.
func OpenHostKey(dir string) (*HostKey, error) {
	path := filepath.Join(dir, hostKeyFile)
	data, err := readOurs(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path + ".pub"); err == nil {
			return nil, fmt.Errorf("the host key %s is gone, and %s.pub is still there: put it back, or remove the .pub for a new one, "+
				"which everybody who comes by ssh then has to trust anew", path, path)
		}
		return makeHostKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the host key is not used: %w", err)
	}
	raw, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("the host key %s cannot be read: %w", path, err)
	}
	key, ok := raw.(*ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the host key %s is not one of ed25519", path)
	}
	return NewHostKey(key)
}

// SavePublic writes the public half of a key that is held elsewhere into a directory, or
// refuses the directory of another key: people would be asked to trust another one.
func (h *HostKey) SavePublic(dir string) error {
	path := filepath.Join(dir, hostKeyFile+".pub")
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeSynced(path, ssh.MarshalAuthorizedKey(h.signer.PublicKey()), 0o644)
	}
	if err != nil {
		return err
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey(old); err != nil || !bytes.Equal(key.Marshal(), h.signer.PublicKey().Marshal()) {
		return fmt.Errorf("%s is not of the host key (%s): put the right one back, or remove it", path, h.Fingerprint())
	}
	return nil
}

// readOurs reads a file that nobody else may read or write.
func readOurs(path string) ([]byte, error) {
	if !strict() {
		return os.ReadFile(path)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("%s is no file", path)
	case st.Uid != uint32(os.Geteuid()):
		return nil, fmt.Errorf("%s belongs to uid %d, not to us; make a new one: whoever it belongs to has it", path, st.Uid)
	case st.Mode&0o077 != 0:
		return nil, fmt.Errorf("%s may be read by others (mode %04o); if nobody has: chmod 600 %s", path, st.Mode&0o7777, path)
	}
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// makeHostKey makes a key, whole or not at all.
func makeHostKey(path string) (*HostKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a host key: %w", err)
	}
	h, err := NewHostKey(key)
	if err != nil {
		return nil, err
	}
	h.New = true
	block, err := ssh.MarshalPrivateKey(key, "muxward")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = writeSynced(path, pem.EncodeToMemory(block), 0o600)
	}
	if err == nil {
		err = writeSynced(path+".pub", ssh.MarshalAuthorizedKey(h.signer.PublicKey()), 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("make a host key: %w", err)
	}
	return h, nil
}

// writeSynced writes a file that is not there yet. When it has returned the file is
// there after a power cut, too.
func writeSynced(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
