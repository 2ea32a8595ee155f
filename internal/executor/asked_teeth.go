//go:build teeth_relay

package executor

// asked believes the server. It is for the control runs of test/attack.
func (r *relay) asked(bool) bool { return r.plan != nil }
