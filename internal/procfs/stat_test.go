package procfs

import (
	"os"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	rest := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21"
	for comm, want := range map[string]string{"(tmux: server)": "tmux: server", "(a) R (b)": "a) R (b", "(\n)": "\n", "()": ""} {
		st, err := ParseStat([]byte("12 " + comm + rest))
		if err != nil || st.Comm != want || st.State != 'S' || st.PPID != 1 || st.Session != 3 || st.Start != 4242 {
			t.Errorf("%s: %+v, %v", comm, st, err)
		}
	}
	for _, bad := range []string{"", "12 (x", "12 x)", ")(", "12 (x) S 1", "12 (x)" + strings.Replace(rest, "4242", "x", 1)} {
		if _, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseStatOfATerminal(t *testing.T) {
	st, err := ParseStat([]byte("12 (a) b ) S 34 5 6 34819 8 9 10 11 12 13 14 15 16 17 18 19 20 21 777 23\n"))
	if err != nil || st != (Stat{"a) b ", 'S', 34, 6, 34819, 8, 20, 777}) {
		t.Errorf("%+v, %v", st, err)
	}
	for _, s := range []string{"", "1 (x)", "1 (x) S", "1 (x) SS " + strings.Repeat("1 ", 30), "1 (x) S a " + strings.Repeat("1 ", 30)} {
		if _, err := ParseStat([]byte(s)); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

// A process whose first thread alone has ended goes on.
func TestEnded(t *testing.T) {
	for text, want := range map[string]bool{"Z 1": true, "Z 0": true, "X 1": true, "Z 2": false, "S 1": false, "T 1": false} {
		state, threads, _ := strings.Cut(text, " ")
		st, err := ParseStat([]byte("12 (x) " + state + " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 " + threads + " 18 4242"))
		if err != nil || st.Ended() != want {
			t.Errorf("%s: %+v, %v", text, st, err)
		}
	}
}

// What the kernel says of this process is so.
func TestReadStat(t *testing.T) {
	st, err := ReadStat(os.Getpid())
	if err != nil || st.PPID != os.Getppid() || st.Start == 0 || st.Ended() {
		t.Errorf("%+v, %v", st, err)
	}
}
