package guard

import "testing"

// TestLastUsed: muxward's own connection goes to the session that was used last, so that
// it is that one still; what cannot be read is none.
func TestLastUsed(t *testing.T) {
	for list, want := range map[string]usedSession{
		"":                            {},
		"no sessions":                 {},
		"$1 7 5\n$2 9 \n$3 8 8\n":     {"$2", 9, 0},
		"$1 7 5\n$2 7 \n$3 7 4\n":     {"$1", 7, 5},
		"$9 7 \n$10 7 \n":             {"$10", 7, 0},
		"$10 7 \n$9 7 \n":             {"$10", 7, 0},
		"$1\nhooks print this\n$0 1 ": {"$0", 1, 0},
	} {
		if got, ok := lastUsed([]byte(list)); got != want || ok != (want.id != "") {
			t.Errorf("%q: %+v, %v", list, got, ok)
		}
	}
}
