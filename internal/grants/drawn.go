//go:build !teeth_drawn

package grants

import (
	"crypto/rand"
	"strings"
)

// idLength is how long the name of a request is: 35 bits.
const idLength = 7

// drawn gives a name for a request of which there have been so many, which none had
// before.
//
// The build tag teeth_drawn takes this check out, for the control runs of
// test/attack.
func drawn(int) string { return strings.ToLower(rand.Text()[:idLength]) }
