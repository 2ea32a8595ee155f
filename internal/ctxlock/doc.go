// Package ctxlock takes a mutex, or gives up when a context ends: who holds it may wait for
// somebody else's terminal, file system or process. A mutex that is never held for long is
// locked as any other, and what is waited for often has a channel.
//
// A [Turn] is such a lock from the start, for who waits for a certain time.
//
// Start reading at [Lock].
package ctxlock
