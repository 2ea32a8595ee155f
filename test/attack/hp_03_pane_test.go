package attack

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Mallory works in a pane of an isolated server. She wants something of the helper, of
// whoever has started that, or of the server's account to have come through to what runs
// there: a descriptor, a variable, a right, a group, an ignored signal. The control run is a
// program that whoever starts the helper starts as it is.
func TestHP03InheritedByPane(t *testing.T) {
	t.Parallel()
	cfg := host.Config{Account: host.Ward, Settings: isolatedSettings, Policy: map[string]string{
		"people.yaml": isolatedPeople, "grants.yaml": isolatedGrants}}
	h := host.Prepare(t, cfg)
	around := whoeverStarts(t, h.Base)
	cfg.Change = around
	h = host.Prepare(t, cfg)
	h.Run()
	runs := "sleep " + strconv.Itoa(27182818+os.Getpid()) // and not another run of this test
	tmuxtest.Eventually(t, func() bool {
		return h.Tmux(carol, "new-window", "-d", "-t", "prod/main", "exec "+runs).Code == 0
	}, "prod has its session")
	pane := 0
	tmuxtest.Eventually(t, func() bool {
		out, err := exec.Command("pgrep", "-fx", "-U", strconv.Itoa(int(tmuxtest.As(t, stranger).UID)), runs).Output()
		pane, _ = strconv.Atoi(strings.TrimSpace(string(out))) // none is 0
		return err == nil && pane != 0
	}, "it runs in a pane")
	inheritedAlone(t, around)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pane))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(inherited(t, pane), "\n") + "\n"
	for _, fd := range fds {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pane, fd.Name()))
		got += "open " + fd.Name() + " " + regexp.MustCompile(`/[0-9]+$`).ReplaceAllString(to, "/N") + "\n"
	}
	got = regexp.MustCompile(`CapBnd [0-9a-f]+`).ReplaceAllString(got, "CapBnd HOST")
	got = strings.ReplaceAll(got, tmuxtest.As(t, stranger).Home, "HOME")
	asGolden(t, "testdata/inherited_pane.golden", got)
}

// inheritedByPAM compares what a process that asks PAM about a login has from whoever started its helper.
func inheritedByPAM(t *testing.T, pid int, around func(*exec.Cmd)) {
	t.Helper()
	inheritedAlone(t, around)
	got := strings.Join(inherited(t, pid), "\n") + "\n"
	got = regexp.MustCompile(`(Cap(?:Prm|Eff|Bnd)) [0-9a-f]+`).ReplaceAllString(got, "$1 HOST") // it is root's
	// Go's threads block what they like, and the groups are root's.
	got = regexp.MustCompile(`SigBlk [0-9a-f]+\n|Groups[^\n]*\n`).ReplaceAllString(got, "")
	asGolden(t, "testdata/inherited_pam.golden", got)
}

// asGolden compares a text with a file, or writes that anew.
func asGolden(t *testing.T, golden, got string) {
	t.Helper()
	if os.Getenv("MUXWARD_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("inherited is:\n%s\nand should be:\n%s", got, want)
	}
}
