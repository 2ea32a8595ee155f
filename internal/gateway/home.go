package gateway

import "github.com/muxward/muxward/internal/teeth"

// home reports whether somebody is the owner at home: they hold every verb, on
// a server of their own.
func home(full, own bool) bool { return full && (own || teeth.Out(teeth.Home)) }
