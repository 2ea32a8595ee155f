package sshd

import (
	"strings"
	"testing"
)

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

// TestCodesBehindAnotherSSHD: what an sshd of the host has taken uses no code, and what is
// logged of it has none.
func TestCodesBehindAnotherSSHD(t *testing.T) {
	for _, line := range []string{
		"join 7-abcd-efgh-jkmn-pqrs", "join 7-abcd efgh jkmn pqrs", "muxward join 7-abcd-efgh-jkmn-pqrs", "'join' '7-abcd-efgh-jkmn-pqrs'",
		`tmux ls \; join 7-abcd-efgh-jkmn-pqrs`, "jo'in' 7-abcd-efgh-jkmn-pqrs",
	} {
		_, _, err := ReadCommand(line)
		if got := Hushed(line); err == nil || strings.Contains(got, "efgh") {
			t.Errorf("%q: %v, logged as %q", line, err, got)
		}
	}
	for _, line := range []string{"tmux ls", "attach -t work", "join-pane -s :1", "tmux join -s :1 -t :2"} {
		if _, _, err := ReadCommand(line); err != nil || Hushed(line) != line && !strings.Contains(line, "join") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
