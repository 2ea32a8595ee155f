//go:build !teeth_door

package wire

// mayKeep is an error unless descriptors may arrive now, and so many.
//
// The build tag teeth_door takes this check out, for the control runs of
// test/attack.
func (c *Conn) mayKeep(granted int) error {
	switch {
	case c.side != ServerSide || c.phase != identifying:
		return refuse(ReasonDescriptor, 0, "a descriptor arrived where none may")
	case granted > maxDescriptors:
		return refuse(ReasonDescriptor, 0, "%d descriptors arrived, at most %d may", granted, maxDescriptors)
	}
	return nil
}
