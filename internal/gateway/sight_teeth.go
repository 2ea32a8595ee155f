//go:build teeth_visible

package gateway

import "github.com/muxward/muxward/internal/access"

// sees shows everything to everybody. It is for the control runs of
// test/attack.
func sees(access.VerbSet) bool { return true }
