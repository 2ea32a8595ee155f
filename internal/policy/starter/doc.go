// Package starter holds the commented policy that `muxward init` writes.
//
// It is not where policy is read (internal/policy). Start reading at [Write].
package starter
