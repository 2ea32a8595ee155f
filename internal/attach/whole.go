package attach

import "github.com/muxward/muxward/internal/teeth"

// wholePastes: what comes in one go behind the end of a paste, up to another end,
// is of the paste.
func wholePastes() bool { return !teeth.Out(teeth.Paste) }
