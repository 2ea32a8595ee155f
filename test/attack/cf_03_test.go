package attack

import "testing"

// Policy files that are bombs: deep and wide YAML, duplicate and unknown keys,
// tabs, a byte order mark, carriage returns, a million rules, groups that
// contain themselves. Each is refused with its place, or read within bounds.
// It is shown below the whole program, and fuzzed.
// TestMistakesHavePlaces was seen to fail with the check of cycles left out.
func TestCF03PolicyBombs(t *testing.T) {
	shownByPackage(t, "policy.TestMistakesHavePlaces", "policy.TestLargeDirectories", "policy.TestOddFiles",
		"policy.FuzzPeople", "policy.FuzzGrants", "policy.FuzzCedar")
}
