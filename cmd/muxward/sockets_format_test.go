package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/sockets"
)

// What is found is told in each form as its readers expect it: what is excepted counts
// nowhere, and a name with an end of a line makes no second line.
func TestFormats(t *testing.T) {
	r := report{
		scan: sockets.Scan{Time: time.Unix(1_800_000_000, 0), Skipped: []sockets.Skipped{{Path: "/x", Reason: "it hangs"}}},
		findings: []sockets.Finding{
			{ID: "MW-S001", Severity: sockets.Warning, Path: "/tmp/tmux-1/a\nb <&>", Evidence: "dead", Fix: "fix it"},
			{ID: "MW-S001", Severity: sockets.Warning, Path: "/tmp/tmux-1/c", Evidence: "dead", Fix: "fix it"},
			{ID: "MW-S004", Severity: sockets.Serious, Path: "/tmp/tmux-1/d", Evidence: "open", Fix: "close it"},
		},
		excepted: []sockets.Finding{{ID: "MW-S014", Path: "/tmp/tmux-1/e"}},
	}
	form := func(name string) []byte {
		t.Helper()
		cmd := &cobra.Command{}
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := printFormat(cmd, name, r); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	var s sarif
	if err := json.Unmarshal(form("sarif"), &s); err != nil || s.Version != "2.1.0" || len(s.Runs) != 1 || len(s.Runs[0].Results) != 4 {
		t.Fatalf("SARIF: %v, %+v", err, s)
	}
	first, last := s.Runs[0].Results[0], s.Runs[0].Results[3]
	if first.Level != "warning" || first.Locations[0].Physical.Artifact.URI != "file:///tmp/tmux-1/a%0Ab%20%3C&%3E" || len(first.Accepted) > 0 || len(last.Accepted) != 1 {
		t.Errorf("SARIF: %+v, %+v", first, last)
	}
	if n := len(s.Runs[0].Tool.Driver.Rules); n != len(sockets.Rules()) {
		t.Errorf("SARIF: %d rules", n)
	}
	var j junitSuite
	if err := xml.Unmarshal(form("junit"), &j); err != nil || j.Tests != len(sockets.Rules()) || j.Failures != 2 {
		t.Fatalf("JUnit: %v, %+v", err, j)
	}
	if c := j.Cases[0]; c.Class != "MW-S001" || len(c.Failures) != 2 || c.Failures[0].Message != `/tmp/tmux-1/a\nb <&>: dead` {
		t.Errorf("JUnit: %+v", c)
	}
	metrics := string(form("prometheus"))
	line := regexp.MustCompile(`^(# (HELP|TYPE) muxward_sockets_\w+ .+|muxward_sockets_\w+(\{id="MW-S\d{3}"\})? \d+)$`)
	for l := range strings.Lines(metrics) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("metrics: %q", l)
		}
	}
	for _, want := range []string{`{id="MW-S001"} 2`, `{id="MW-S004"} 1`, `{id="MW-S014"} 0`, "muxward_sockets_excepted 1", "muxward_sockets_complete 0", "muxward_sockets_scan_timestamp_seconds 1800000000"} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("metrics have no %q:\n%s", want, metrics)
		}
	}
	if text := form("json"); !json.Valid(text) || bytes.Count(text, []byte("\n")) != 1 || !bytes.Contains(text, []byte(`"complete":false`)) {
		t.Errorf("JSON: %s", text)
	}
}
