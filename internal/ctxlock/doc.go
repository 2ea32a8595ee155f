// Package ctxlock takes a mutex, or gives up when a context ends: who holds it may wait for
// somebody else's terminal, file system or process. A mutex that is never held for long is
// locked as any other, and what is waited for often has a channel.
//
// Start reading at [Lock].
package ctxlock
