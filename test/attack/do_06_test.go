package attack

import "testing"

// Patterns, policies and listings that take for ever: *a*a*…, like in a rule,
// formats in formats, a hundred thousand grants. They are bounded. It is shown
// below the whole program.
func TestDO06Bombs(t *testing.T) {
	shownByPackage(t, "tmux.TestFnmatchBombs", "tmux.TestFormatBombs", "policy.TestManyGrantsCostNothing",
		"policy.TestLikeBombs", "policy.TestListingsKeepNothing", "policy.TestViewsAreBounded")
}
