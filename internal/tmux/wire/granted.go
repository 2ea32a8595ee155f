package wire

import (
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/teeth"
)

// mayKeep is an error unless descriptors may arrive now, and so many.
func (c *Conn) mayKeep(granted int) error {
	switch {
	case teeth.Out(teeth.Door):
		return nil
	case c.side != ServerSide || c.phase != identifying:
		return refuse(ReasonDescriptor, 0, "a descriptor arrived where none may")
	case granted > maxDescriptors:
		return refuse(ReasonDescriptor, 0, "%d descriptors arrived, at most %d may", granted, maxDescriptors)
	}
	return nil
}

// shut closes a descriptor that came from the other end.
func shut(fd int) {
	if teeth.Out(teeth.Put) {
		_ = unix.Close(fd)
		return
	}
	passed.Shut(fd)
}

// end closes the connection, whatever lies in it.
func (c *Conn) end() {
	if teeth.Out(teeth.Put) {
		_ = c.nc.Close()
		return
	}
	_ = c.away.Close(c.nc)
}
