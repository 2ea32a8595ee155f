package executor

import "testing"

func TestWholeKey(t *testing.T) {
	for tail, want := range map[string]bool{
		"": false, "[": false, "O": false, "a": true, "[A": true, "OP": true, "[1;5": false, "[1;5A": true,
		"[[": false, "[[A": true, "[<0;1;1": false, "[<0;1;1M": true, "[I": true,
		"]": false, "P": false, "[M": false, "[M a": false, "[Ma!a": true, "]10;rgb:0": false,
	} {
		if got := wholeKey([]byte(tail)); got != want {
			t.Errorf("behind an escape %q: whole %v", tail, got)
		}
	}
}
