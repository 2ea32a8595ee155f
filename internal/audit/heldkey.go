package audit

import (
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// HeldKey is a signing key that another process holds. That signs only what goes on from what it
// has signed before.
type HeldKey struct {
	// Verifier is its public half, as [ParseVerifier] takes it.
	Verifier string
	// New is set if it was made just now.
	New bool
	// Signed tells how many records the checkpoint has that it has signed last, or 0.
	Signed func() (uint64, error)
	// Signature signs the text of a checkpoint. The proof is that the log of Signed's size is the
	// beginning of this one.
	Signature func(text []byte, proof []tlog.Hash) ([]byte, error)
}

// open makes it the log's key. That of a log that another key has signed is refused, as
// its public half is there.
func (k *HeldKey) open(dir string) (*signingKey, error) {
	v, err := ParseVerifier(k.Verifier)
	if err != nil {
		return nil, fmt.Errorf("the log's key that is held elsewhere: %w", err)
	}
	return &signingKey{Signer: heldSigner{Verifier: v}, verifier: k.Verifier, made: k.New, held: k}, storeVerifier(dir, k.Verifier)
}

// signerOf gives who signs a checkpoint of so many records. A key that is held elsewhere may have
// signed more than our checkpoints say, if its last answer got lost: so it is asked each time.
func (k *signingKey) signerOf(size int64, hashes io.ReaderAt) (note.Signer, error) {
	if k.held == nil {
		return k.Signer, nil
	}
	before, err := k.held.Signed()
	if err != nil {
		return nil, err
	}
	var proof tlog.TreeProof
	if before > 0 && before < uint64(size) { // else there is none, and who holds the key refuses it if need be
		if proof, err = tlog.ProveTree(size, int64(before), hashesIn(hashes)); err != nil {
			return nil, fmt.Errorf("prove with %s that the log goes on from the %d records that were signed last: %w; "+
				"if it is damaged, remove it and start muxward anew: it is made from the records", hashesFile, before, err)
		}
	}
	held := heldSigner{sign: k.held.Signature, proof: proof}
	held.Verifier, err = ParseVerifier(k.verifier)
	return held, err
}

// hashesIn reads stored hashes as tlog wants them.
func hashesIn(f io.ReaderAt) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			if _, err := f.ReadAt(out[i][:], index*tlog.HashSize); err != nil {
				return nil, fmt.Errorf("read stored hash %d: %w", index, err)
			}
		}
		return out, nil
	})
}

// heldSigner is a note.Signer, once it has a proof.
type heldSigner struct {
	note.Verifier
	sign  func([]byte, []tlog.Hash) ([]byte, error)
	proof tlog.TreeProof
}

// Sign has a text signed.
func (s heldSigner) Sign(text []byte) ([]byte, error) { return s.sign(text, s.proof) }
