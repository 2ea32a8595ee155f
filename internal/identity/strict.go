package identity

import "github.com/muxward/muxward/internal/teeth"

// strict gives whether a byte may stand in a person's name.
func strict(ok bool) bool { return ok || teeth.Out(teeth.Names) }
