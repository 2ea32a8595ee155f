package audit

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is the right edge of the Merkle tree: enough to add records and to
// give the root, without reading what was stored before. The tree is that of
// RFC 6962, as in golang.org/x/mod/sumdb/tlog.
type frontier struct {
	size int64
	// level[i] is the root of a full subtree of 1<<i records; it is valid if
	// bit i of size is set.
	level [48]tlog.Hash
}

// add adds the record with the given leaf hash and appends to out the hashes
// to be stored for it, in the order of tlog.StoredHashes.
func (f *frontier) add(leaf tlog.Hash, out []byte) []byte {
	h := leaf
	out = append(out, h[:]...)
	i := 0
	for ; f.size>>i&1 == 1; i++ {
		h = tlog.NodeHash(f.level[i], h)
		out = append(out, h[:]...)
	}
	f.level[i] = h
	f.size++
	return out
}

// root gives the root of the whole tree.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		return sha256.Sum256(nil)
	}
	i := bits.TrailingZeros64(uint64(f.size))
	h := f.level[i]
	for i++; f.size>>i > 0; i++ {
		if f.size>>i&1 == 1 {
			h = tlog.NodeHash(f.level[i], h)
		}
	}
	return h
}

// frontierAt reads the right edge of the tree of the given size from stored
// hashes. Nothing proves it before its root, grown to the size of a signed
// checkpoint, was compared with that.
func frontierAt(stored io.ReaderAt, size int64) (frontier, error) {
	f := frontier{size: size}
	for i, lo := len(f.level)-1, int64(0); i >= 0; i-- {
		if size>>i&1 == 0 {
			continue
		}
		index := tlog.StoredHashIndex(i, lo>>i)
		if _, err := stored.ReadAt(f.level[i][:], index*tlog.HashSize); err != nil {
			return f, fmt.Errorf("read stored hash %d: %w", index, err)
		}
		lo += 1 << i
	}
	return f, nil
}

// leafHash is tlog.RecordHash of a line without its newline. room is scratch
// space, given back for the next call.
func leafHash(line, room []byte) (tlog.Hash, []byte) {
	room = append(append(room[:0], 0), line...)
	return sha256.Sum256(room), room
}
