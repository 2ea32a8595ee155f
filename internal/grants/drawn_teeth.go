//go:build teeth_drawn

package grants

import "fmt"

// drawn counts requests anew with each life of muxward. It is for the control runs of
// test/attack.
func drawn(count int) string { return fmt.Sprintf("r%06d", count) }
