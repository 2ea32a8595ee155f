package grants

import "github.com/muxward/muxward/internal/teeth"

// answeredOnce: what was answered, or taken back, or is overdue, is not there any more.
func answeredOnce() bool { return !teeth.Out(teeth.OnceAnswered) }
