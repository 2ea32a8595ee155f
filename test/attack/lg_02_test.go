package attack

import "testing"

// Somebody has stolen the log's key and writes its past anew. Whoever kept a
// checkpoint from before finds it. It is shown below the whole program; rolling keys comes with
// witnesses, in a later step.
// It was seen to fail with the kept checkpoint not compared.
func TestLG02StolenKey(t *testing.T) {
	shownByPackage(t, "audit.TestStolenKeyCannotRewriteWhatWasWitnessed", "audit.TestTamperingIsFound", "audit.TestEveryByteCounts")
}
