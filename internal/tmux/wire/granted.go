package wire

import "github.com/muxward/muxward/internal/teeth"

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
