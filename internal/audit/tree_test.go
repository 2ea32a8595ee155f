package audit

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// stored reads hashes as tlog wants them.
func stored(hashes []byte) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			copy(out[i][:], hashes[index*tlog.HashSize:])
		}
		return out, nil
	})
}

// The tree must be exactly tlog's, so that its proofs work on our files.
func TestTreeIsThatOfTlog(t *testing.T) {
	var f frontier
	var hashes, room []byte
	var roots []tlog.Hash
	for n := int64(0); n < 300; n++ {
		root, err := tlog.TreeHash(n, stored(hashes))
		if err != nil || root != f.root() {
			t.Fatalf("root of %d records: %v, want %v (%v)", n, f.root(), root, err)
		}
		roots = append(roots, root)
		if g, err := frontierAt(bytes.NewReader(hashes), n); err != nil || g.root() != root {
			t.Fatalf("the frontier of %d read back gives another root: %v", n, err)
		}
		line := fmt.Appendf(nil, "record %d", n)
		want, err := tlog.StoredHashes(n, line, stored(hashes))
		if err != nil {
			t.Fatal(err)
		}
		var leaf tlog.Hash
		leaf, room = leafHash(line, room)
		before := len(hashes)
		hashes = f.add(leaf, hashes)
		var flat []byte
		for _, h := range want {
			flat = append(flat, h[:]...)
		}
		if !bytes.Equal(hashes[before:], flat) {
			t.Fatalf("stored hashes of record %d differ", n)
		}
		if recordsOf(int64(len(hashes)/tlog.HashSize)) != uint64(n+1) {
			t.Fatalf("%d hashes are not taken for %d records", len(hashes)/tlog.HashSize, n+1)
		}
	}
	// A consistency proof between any two sizes holds.
	for _, n := range []int64{1, 2, 127, 128, 200, 299} {
		p, err := tlog.ProveTree(299, n, stored(hashes))
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckTree(p, 299, roots[299], n, roots[n]); err != nil {
			t.Errorf("%d in 299: %v", n, err)
		}
	}
}
