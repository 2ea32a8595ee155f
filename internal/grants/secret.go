package grants

import (
	"strings"

	"github.com/muxward/muxward/internal/teeth"
)

// What keeps a code secret: it is long, only a sum of it is kept, and few wrong ones
// are heard.

func shortened(secret string) string {
	if teeth.Out(teeth.Chain) {
		return strings.Repeat("0", len(secret)-1) + secret[len(secret)-1:]
	}
	return secret
}

func kept(c Code, sum digest) digest {
	if teeth.Out(teeth.Chain) {
		sum = digest{}
		copy(sum[:], c.secret)
	}
	return sum
}

func bounded() bool { return !teeth.Out(teeth.Chain) }
