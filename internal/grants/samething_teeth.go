//go:build teeth_same

package grants

import "github.com/muxward/muxward/internal/access"

// sameThing takes whatever has the ids now for what was asked about. It is for the
// control runs of test/attack.
func sameThing(access.Object, access.Object) bool { return true }
