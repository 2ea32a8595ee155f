package holder

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"
)

// Names of the keys' files: those that muxward has in its state directory where
// it runs by itself.
const (
	HostFile       = "ssh_host_ed25519_key"
	CheckpointFile = "audit.key"
)

const maxFile = 16 << 10

// open reads the keys, and makes those of fresh that are not there.
func open(dir *os.File, fresh []string) (*keys, error) {
	k := &keys{}
	text, err := read(dir, HostFile)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(fresh, HostFile) {
		k.public.HostNew = true
		text, err = makeHost(dir)
	}
	if err == nil {
		k.host, err = parseHost(text)
	}
	if err != nil {
		return nil, fmt.Errorf("the host key: %w", err)
	}
	k.public.Host, _ = k.host.Public().(ed25519.PublicKey)
	text, err = read(dir, CheckpointFile)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains(fresh, CheckpointFile) {
		k.public.CheckpointNew = true
		text, err = makeCheckpoint(dir)
	}
	if err == nil {
		err = k.parseCheckpoint(strings.TrimSpace(string(text)))
	}
	if err != nil {
		return nil, fmt.Errorf("the log's key: %w", err)
	}
	return k, nil
}

func read(dir *os.File, name string) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has to be a file of root's that nobody else may read (it is uid %d's, mode %04o)", name, st.Uid, st.Mode&0o7777)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// write makes a file, whole or not at all.
func write(dir *os.File, name string, data []byte) error {
	at, tmp := int(dir.Fd()), name+".new"
	_ = unix.Unlinkat(at, tmp, 0) // of a start that was cut short
	fd, err := unix.Openat(at, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = unix.Renameat(at, tmp, at, name)
	}
	return errors.Join(err, dir.Sync())
}

// magic begins a private key of OpenSSH (PROTOCOL.key in its source).
const magic = "openssh-key-v1\x00"

const hostKind = "ssh-ed25519"

// makeHost makes a host key, as ssh-keygen would without a passphrase.
func makeHost(dir *os.File) ([]byte, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	blob := str(str(nil, hostKind), string(public))
	secret := append([]byte("mux!mux!"), str(str(str(str(nil, hostKind), string(public)), string(key)), "muxward")...)
	for i := byte(1); len(secret)%8 != 0; i++ {
		secret = append(secret, i)
	}
	out := str(str(str([]byte(magic), "none"), "none"), "")
	out = str(str(binary.BigEndian.AppendUint32(out, 1), string(blob)), string(secret))
	text := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: out})
	return text, write(dir, HostFile, text)
}

func str(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(to, uint32(len(s))), s...)
}

// next cuts a string off.
func next(data []byte) (s, rest []byte, ok bool) {
	if len(data) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) {
		return nil, nil, false
	}
	return data[4 : 4+n], data[4+n:], true
}

// parseHost reads an ed25519 key without a passphrase.
func parseHost(text []byte) (ed25519.PrivateKey, error) {
	bad := errors.New("it is no ed25519 key of OpenSSH without a passphrase")
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" {
		return nil, bad
	}
	data, is := bytes.CutPrefix(block.Bytes, []byte(magic))
	for _, want := range []string{"none", "none", ""} { // cipher, kdf and its options
		s, rest, ok := next(data)
		if is = is && ok && string(s) == want; !is {
			return nil, bad
		}
		data = rest
	}
	if len(data) < 4 || binary.BigEndian.Uint32(data) != 1 { // how many keys
		return nil, bad
	}
	_, data, ok := next(data[4:]) // the public key
	secret, _, ok2 := next(data)
	if !ok || !ok2 || len(secret) < 8 || !bytes.Equal(secret[:4], secret[4:8]) {
		return nil, bad
	}
	kind, rest, ok := next(secret[8:])
	public, rest, ok2 := next(rest)
	key, _, ok3 := next(rest)
	if !ok || !ok2 || !ok3 || string(kind) != hostKind || len(key) != ed25519.PrivateKeySize {
		return nil, bad
	}
	whole := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize])
	if !bytes.Equal(whole, key) || !bytes.Equal(whole[ed25519.SeedSize:], public) {
		return nil, bad
	}
	return whole, nil
}

func makeCheckpoint(dir *os.File) ([]byte, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	// A note's key name has no spaces and no plus signs.
	origin := strings.Map(func(r rune) rune {
		if r == '+' || r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, "muxward/"+host) + "/" + hex.EncodeToString(id)
	secret, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	text := []byte(secret + "\n")
	return text, write(dir, CheckpointFile, text)
}

func (k *keys) parseCheckpoint(secret string) error {
	if _, err := note.NewSigner(secret); err != nil {
		return err
	}
	parts := strings.SplitN(secret, "+", 5) // PRIVATE, KEY, the name, the hash, the key
	if len(parts) != 5 {
		return errors.New("malformed")
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return errors.New("malformed")
	}
	k.origin, k.checkpoint = parts[2], ed25519.NewKeyFromSeed(key[1:])
	public, _ := k.checkpoint.Public().(ed25519.PublicKey)
	k.public.Checkpoint, err = note.NewEd25519VerifierKey(k.origin, public)
	return err
}

// KeysBack refuses a state of root's whose keys are where the helper keeps them: giving back ends with
// moving them, and was broken off. Until then the state is not root's whole, and root's muxward would take the
// log for one whose key is lost.
func KeysBack(state string) error {
	for _, name := range []string{HostFile, CheckpointFile} {
		at := filepath.Join(state+"-keys", name)
		if _, err := os.Lstat(filepath.Join(state, name)); err == nil {
			continue // it is root's own
		}
		if _, err := os.Lstat(at); err == nil {
			return fmt.Errorf("%s is there, so the state in %s was not given back to root to the end: muxward-helper give-back --account NAME goes on with it, "+
				"or put account: NAME into the configuration again", at, state)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}
