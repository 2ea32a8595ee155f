//go:build teeth_door

package tmuxd

// crowded lets everybody come. It is for the control runs of test/attack.
func crowded(int, int) bool { return false }

// mayHold holds everything.
func mayHold(int) bool { return true }

// oneAtATime hears everybody at once.
const oneAtATime = false

// named believes the client.
func named(uint64, uint64) bool { return true }

// isTerminal takes everything for one.
func isTerminal(int) bool { return true }
