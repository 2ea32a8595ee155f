//go:build teeth_chain

package grants

import "strings"

// Codes are short, kept as they are, and guessed at will. It is for the control runs
// of test/attack.

func shortened(secret string) string {
	return strings.Repeat("0", len(secret)-1) + secret[len(secret)-1:]
}

func kept(c Code, _ digest) (d digest) {
	copy(d[:], c.secret)
	return d
}

const bounded = false
