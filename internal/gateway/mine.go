package gateway

import "github.com/muxward/muxward/internal/teeth"

// ownDefault: a command that names no client means the asker's own.
func ownDefault() bool { return !teeth.Out(teeth.Mine) }
