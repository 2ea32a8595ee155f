package pane

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// What PAM sets comes in, but for what is the terminal's and the account's, what loads
// programs, and what the administrator has fixed.
func TestWithRules(t *testing.T) {
	env, err := withRules([]string{"HOME=/h", "TMUX=a,1,2", "APP=x", "PATH=/bin"},
		[]string{"PATH=/opt", "LD_PRELOAD=/x", "LD_LIBRARY_PATH=/x", "TMUX=b", "TMUX_PANE=%9", "HOME=/e", "APP=y", "KRB5CCNAME=FILE:/t", "1=2", "bad", "N=\xff"}, []string{"APP"})
	if want := []string{"APP=x", "HOME=/h", "KRB5CCNAME=FILE:/t", "PATH=/opt", "TMUX=a,1,2"}; err != nil || !slices.Equal(env, want) {
		t.Errorf("%q, %v", env, err)
	}
	if _, err := withRules(nil, []string{"A=" + strings.Repeat("x", maxVariables)}, nil); err == nil {
		t.Error("more than the bound is taken")
	}
}

// What modules tell is lines of text to the terminal.
func TestSaid(t *testing.T) {
	var s said
	s.add("Welcome\x1b]0;x\x07\nagain\r\n\n")
	if got := s.b.String(); got != "Welcome]0;x\r\nagain\r\n" {
		t.Errorf("%q", got)
	}
}

// Where it is not known what a record looks like none is written.
func TestRecordSizes(t *testing.T) {
	for arch, want := range map[string]int{"amd64": 384, "arm64": 400, "386": 0, "ppc64le": 0} {
		if got := recordSize(arch); got != want {
			t.Errorf("%s: %d", arch, got)
		}
	}
}

// A record is found by its terminal, and its end told only by whose it is.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	utmp, wtmp := dir+"/utmp", dir+"/wtmp"
	r := record{tty: "/dev/pts/12", pid: 77, user: "svc", host: "muxward:prod"}
	r.write(utmp, wtmp, userProcess) // neither is there
	if _, err := os.Stat(wtmp); err == nil {
		t.Error("a file was made")
	}
	for _, p := range []string{utmp, wtmp} {
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	size := len(r.encode(userProcess, time.Now(), runtime.GOARCH))
	r.write(utmp, wtmp, userProcess)
	other := record{tty: "/dev/pts/1", pid: 78, user: "x"}
	other.write(utmp, wtmp, userProcess)
	record{tty: "/dev/pts/12", pid: 99}.put(utmp, record{tty: "/dev/pts/12", pid: 99}.encode(deadProcess, time.Now(), runtime.GOARCH), deadProcess)
	data, err := os.ReadFile(utmp)
	if err != nil || len(data) != 2*size || data[0] != userProcess || string(data[atUser:atUser+3]) != "svc" || string(data[atLine:atLine+6]) != "pts/12" {
		t.Fatalf("%q, %v", data, err)
	}
	r.write(utmp, wtmp, deadProcess)
	if data, err = os.ReadFile(utmp); err != nil || len(data) != 2*size || data[0] != deadProcess || data[atUser] != 0 || data[size] != userProcess {
		t.Errorf("%q, %v", data, err)
	}
	if data, err = os.ReadFile(wtmp); err != nil || len(data) != 3*size {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// What is taken is written as it was read.
func FuzzTold(f *testing.F) {
	for _, t := range []told{{step: stepOpen}, {opened: 12}, {opened: 12, kept: []held{{5, 6}, {7, 8}}}, {refused: "x"}, {refused: "x", failed: "x"}, {ended: &Answer{Ended: true, Code: 3}}, {closed: true}, {closed: true, failed: "x"}} {
		f.Add(t.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := parseTold(data); err == nil && got.ended == nil && len(data) < maxTold/2 && string(got.encode()) != string(data) {
			t.Errorf("%q is %+v", data, got)
		}
	})
}
