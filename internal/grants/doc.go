// Package grants holds the moving part of the rights: what was taken from
// whom, and its store on disk. In this step that is [Denials], the durable
// revocations.
//
// It decides nothing (internal/policy, internal/gateway) and closes nobody's
// display (internal/gateway): it remembers. Start reading at [Denials].
package grants
