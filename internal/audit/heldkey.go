package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// HeldKey is a signing key that another process holds.
type HeldKey struct {
	// Verifier is its public half, as [ParseVerifier] takes it.
	Verifier string
	// New is set if it was made just now.
	New bool
	// Signature signs a text.
	Signature func(text []byte) ([]byte, error)
}

// open makes it the log's key. That of a log that another key has signed is refused, as
// its public half is there.
func (k *HeldKey) open(dir string) (*signingKey, error) {
	v, err := ParseVerifier(k.Verifier)
	if err != nil {
		return nil, fmt.Errorf("the log's key that is held elsewhere: %w", err)
	}
	return &signingKey{Signer: heldSigner{v, k.Signature}, verifier: k.Verifier, made: k.New}, storeVerifier(dir, k.Verifier)
}

// heldSigner is a note.Signer.
type heldSigner struct {
	note.Verifier
	sign func([]byte) ([]byte, error)
}

// Sign has a text signed.
func (s heldSigner) Sign(text []byte) ([]byte, error) { return s.sign(text) }
