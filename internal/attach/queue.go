package attach

import "github.com/muxward/muxward/internal/teeth"

// maxQueue is how far a terminal may be behind before frames are dropped. It
// is also what a person who comes back sees of the past.
const maxQueue = 256 << 10

// behind reports whether so much is more than may be queued.
func behind(queued, limit int) bool { return queued > limit && !teeth.Out(teeth.Queue) }
