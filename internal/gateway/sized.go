package gateway

import "github.com/muxward/muxward/internal/teeth"

// sized reports whether a guest's terminal has a say in the size of windows:
// only with the right to resize.
func sized(allowed bool) bool { return allowed || teeth.Out(teeth.Size) }
