package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies: what runs as root is what the list says, beside Go's own packages.
// Whoever lengthens the list gives a reason.
func TestDependencies(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-tags=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/dependencies.golden"
	if os.Getenv("MUXWARD_UPDATE") != "" {
		if err := os.WriteFile(golden, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(want) {
		t.Errorf("muxward-helper is linked with\n%s\nand %s lists\n%s", out, golden, want)
	}
	for _, never := range []string{"internal/tmux", "internal/policy", "internal/gateway", "golang.org/x/crypto"} {
		if strings.Contains(string(out), never) {
			t.Errorf("muxward-helper is linked with %s", never)
		}
	}
}
