// Package procfs reads what the kernel tells of processes (proc(5)). It is alone, so that
// also muxward-pam, which is linked with as little as can be, may have it.
//
// Start with [ReadStat].
package procfs
