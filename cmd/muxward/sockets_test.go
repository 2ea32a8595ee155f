package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/muxward/muxward/internal/sockets"
)

// A time that would switch off waiting is no time.
func TestSettleIsNotNegative(t *testing.T) {
	f := socketFlags{opt: sockets.Options{Settle: -1}}
	var usage usageError
	if err := f.check(); !errors.As(err, &usage) {
		t.Errorf("-1ns: %v", err)
	}
	f.opt.Settle = 0
	if err := f.check(); err != nil {
		t.Errorf("0: %v", err)
	}
}

// A line of the journal that a full disk has cut off spoils no other line.
func TestJournalAfterAHalfLine(t *testing.T) {
	state := t.TempDir()
	path := state + "/sockets.jsonl"
	if err := os.WriteFile(path, []byte(`{"id":"MW-S0`), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j, err := openJournal(state)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.write(sockets.Done{ID: "MW-S001"}); err != nil {
			t.Error(err)
		}
		_ = j.Close()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(lines) != 3 || !json.Valid(lines[1]) || !json.Valid(lines[2]) {
		t.Errorf("%s", data)
	}
}

// TestMendedCall: what is told of a socket is words of one line each, whatever it is called.
func TestMendedCall(t *testing.T) {
	call := mendedCall(sockets.Done{ID: "MW-S001", UID: 1001, Path: "/tmp/tmux-1001/a\nb", Outcome: sockets.Mended})
	if len(call.Argv) != 4 || slices.Contains(call.Argv, "/tmp/tmux-1001/a\nb") {
		t.Errorf("a name makes two lines: %q", call.Argv)
	}
}

// A finding is explained by either command in the same words, and nothing is looked at
// for that: what is printed begins with the finding, not with a table.
func TestScanExplains(t *testing.T) {
	said := func(args ...string) string {
		var out bytes.Buffer
		cmd := newSocketsCmd()
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.Execute(); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return out.String()
	}
	flag, command := said("scan", "--explain", "MW-S007"), said("explain", "MW-S007")
	if rule, _ := sockets.RuleByID("MW-S007"); flag != command || !bytes.HasPrefix([]byte(flag), []byte("MW-S007: "+rule.Title+"\n")) {
		t.Errorf("scan --explain says %q, explain %q", flag, command)
	}
	cmd := newSocketsCmd()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"scan", "--explain", "MW-S000"})
	var usage usageError
	if err := cmd.Execute(); !errors.As(err, &usage) {
		t.Errorf("a finding that is none: %v", err)
	}
}
