package sshd

import "testing"

// TestJoinsByWords: what is behind join and is no flag is a code, however it is quoted;
// what tmux does with the word stays tmux's.
func TestJoinsByWords(t *testing.T) {
	for line, want := range map[string]string{
		"join 7-ab": "7-ab", "muxward join 7-ab": "7-ab", "tmux -u join 7-ab": "7-ab", `'jo'in "7 ab"`: "7 ab",
		"join 7 ab cd": "7-ab-cd", "join 7-ab --json": "7-ab---json", "muxward join -x 7-ab": "-x-7-ab", "join -- 7-ab": "---7-ab",
		"join -s work:1 -t work:2": "", "join": "", "muxward join": "", "send-keys -t work join 7-ab": "", "joinp 7-ab": "", "": "",
	} {
		c, err := readCommand(line)
		if code, ok := joins(c.argv); err != nil || code != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, %v", line, code, ok, err)
		}
	}
	for line, want := range map[string]bool{
		`ls \; join 7-ab`: true, `ls "x;" join 7-ab`: true, `ls \; join -s a`: false, `send-keys 'ls\;' join x`: false, `ls \;`: false, "": false,
	} {
		c, err := readCommand(line)
		if err != nil || joinsLater(c.argv) != want {
			t.Errorf("%s: %v, %v", line, !want, err)
		}
	}
}
