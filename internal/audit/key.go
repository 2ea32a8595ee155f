package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Names of the key's files, beside the log's directory.
const (
	keyFile = "audit.key" // secret, mode 0600
	pubFile = "audit.pub" // for whoever verifies
)

// signingKey signs checkpoints. Its name is the log's origin.
type signingKey struct {
	note.Signer
	verifier string
	made     bool
	held     *HeldKey // nil if it is here
}

// loadKey reads the key from dir, or makes it if there is none and no log
// that would need it.
func loadKey(dir, origin string, haveLog bool) (*signingKey, error) {
	path := filepath.Join(dir, keyFile)
	text, err := readSecret(path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case haveLog:
		return nil, fmt.Errorf("%s is missing though there is a log that it signed; put it back, or move the log away to begin a new one", path)
	default:
		if text, err = makeKey(dir, origin); err != nil {
			return nil, fmt.Errorf("make the log's signing key: %w", err)
		}
		k, err := parseKey(path, text, dir)
		if err == nil {
			k.made = true
		}
		return k, err
	}
	return parseKey(path, text, dir)
}

func parseKey(path, text, dir string) (*signingKey, error) {
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a signing key: %w", path, err)
	}
	verifier, err := verifierOf(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a signing key: %w", path, err)
	}
	return &signingKey{Signer: signer, verifier: verifier}, storeVerifier(dir, verifier)
}

// readSecret reads a file that nobody else may read.
func readSecret(path string) (string, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s must be a plain file that only its owner may read (mode %04o); chmod it to 0600 if nobody else had it",
			path, st.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

func makeKey(dir, origin string) (string, error) {
	if origin == "" {
		host, err := os.Hostname()
		if err != nil {
			return "", err
		}
		origin = "muxward/" + host
	}
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	// A note's key name has no spaces and no plus signs.
	origin = strings.Map(func(r rune) rune {
		if r == '+' || r <= ' ' || r > '~' {
			return '-'
		}
		return r
	}, origin) + "/" + hex.EncodeToString(id)
	secret, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return "", err
	}
	return secret, writeWhole(dir, keyFile, secret+"\n", 0o600)
}

// verifierOf gives the public half of a note's signing key.
func verifierOf(secret string) (string, error) {
	parts := strings.SplitN(secret, "+", 5)
	if len(parts) != 5 {
		return "", errors.New("malformed")
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", errors.New("malformed")
	}
	pub, _ := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], pub)
}

// storeVerifier writes the public key for others, or checks the one there.
func storeVerifier(dir, verifier string) error {
	path := filepath.Join(dir, pubFile)
	text, err := StoredKey(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return writeWhole(dir, pubFile, verifier+"\n", 0o644)
	case err != nil:
		return err
	case strings.TrimSpace(string(text)) != verifier:
		return fmt.Errorf("%s does not belong to %s: somebody changed one of them; put the right one back", path, keyFile)
	}
	return nil
}

// unfinished follows a key's name in that of a file that is being written: no copy that somebody keeps is called so.
const unfinished = ".unfinished-"

// writeWhole makes a file durably: all of it or none.
func writeWhole(dir, name, text string, mode fs.FileMode) error {
	f, err := os.CreateTemp(dir, name+unfinished+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sweepKeys removes what writeWhole has left where it was killed: a part of a key, or a second name of one. What
// stays is told of by who gives the directory to somebody else.
func sweepKeys(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		for _, name := range []string{keyFile, pubFile} {
			number, is := strings.CutPrefix(e.Name(), name+unfinished)
			if _, err := strconv.ParseUint(number, 10, 32); is && err == nil {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// ParseVerifier reads a verifier key, as `muxward audit key` prints it.
func ParseVerifier(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("not a verifier key (it looks like name+12345678+base64): %w", err)
	}
	return v, nil
}
