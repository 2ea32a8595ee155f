// Package sandbox takes from this process what it does not need, and tells what
// of that holds: rights and capabilities by what the kernel says of it, files
// and system calls by trying.
//
// It gives up; it cannot give back. What each process gives up is decided by
// whoever calls it. Start reading at [Rights], then deny.go.
package sandbox
