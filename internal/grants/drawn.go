package grants

import (
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/teeth"
)

// idLength is how long the name of a request is: 35 bits.
const idLength = 7

// drawn gives a name for a request of which there have been so many, which none had
// before.
func drawn(count int) string {
	if teeth.Out(teeth.Drawn) {
		return fmt.Sprintf("r%06d", count)
	}
	return strings.ToLower(rand.Text()[:idLength])
}
