package keep

import "github.com/muxward/muxward/internal/teeth"

// fromServer reports whether what a pane's program says of itself is so, as it was found
// out.
func fromServer(so bool) bool { return so || teeth.Out(teeth.Launcher) }
