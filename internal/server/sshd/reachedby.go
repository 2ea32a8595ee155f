package sshd

import (
	"net"
	"os"
)

// ReachedBy is a name for a host that listens at an address.
func ReachedBy(addr string) string {
	if ip := net.ParseIP(addr); ip != nil && !ip.IsUnspecified() {
		return addr
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
}
