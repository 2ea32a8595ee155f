package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/teeth"
)

type built struct {
	once sync.Once
	path string
	err  error
}

var builds sync.Map // tags → *built

// Build builds muxward once for this test binary and gives its path. what is as
// [Config.Build]; checks are in until something starts it without them, as [Start] does.
func Build(t testing.TB, what string) string {
	t.Helper()
	tags, _ := divide(what)
	v, _ := builds.LoadOrStore(tags, &built{})
	b := v.(*built)
	b.once.Do(func() { b.path, b.err = build(tags) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// Without is the environment in which a build for control runs leaves out the checks that
// a [Config.Build] names; any other build does not look at it.
func Without(what string) []string {
	_, out := divide(what)
	if out == "" {
		return nil
	}
	return []string{"MUXWARD_TEETH=" + out}
}

// divide gives the build tags of a [Config.Build], and the checks that are to be left out
// when that build starts. All that has such checks or failpoints is one build: each takes
// half a minute of a processor.
func divide(what string) (tags, out string) {
	const one = "failpoints,teeth"
	var others, checks []string
	for _, tag := range strings.Split(what, ",") {
		check, ok := strings.CutPrefix(tag, "teeth_")
		switch {
		case ok && slices.Contains(teeth.Checks(), teeth.Check(check)):
			checks = append(checks, check)
			tags = one
		case tag == "failpoints":
			tags = one
		case tag != "":
			others = append(others, tag)
		}
	}
	if tags != "" {
		others = append(others, tags)
	}
	return strings.Join(others, ","), strings.Join(checks, ",")
}

func build(tags string) (string, error) {
	dir, err := os.MkdirTemp("", "muxward-bin-")
	if err != nil {
		return "", err
	}
	// Every account of the tests runs it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(dir, "muxward"), buildInto(dir, "muxward", tags)
}

// buildHelper builds muxward-helper beside muxward, where that looks for it.
func buildHelper(t testing.TB, what string) {
	t.Helper()
	dir := filepath.Dir(Build(t, what))
	tags, _ := divide(what)
	v, _ := programs.LoadOrStore(dir+" helper", &built{})
	b := v.(*built)
	b.once.Do(func() { b.err = buildInto(dir, "muxward-helper", tags) })
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// buildInto builds a program into a directory, which is removed if it fails: without cgo, but where races
// are looked for, which takes it.
func buildInto(dir, name, tags string) error {
	out := filepath.Join(dir, name)
	// Without what only debuggers read it is linked in half the time. What `make build` has
	// compiled is there to be linked only if paths are trimmed here as they are there: or
	// else some 300 packages are compiled once more.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	args, cgo := []string{"build", "-trimpath", "-ldflags", "-s -w", "-tags", tags, "-o", out}, "CGO_ENABLED=0"
	if raced {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/muxward/muxward/cmd/"+name)...)
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), cgo)
	if text, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("build %s: %w\n%s", name, err, text)
	}
	return nil
}

// Clean removes what Build made; a TestMain calls it at the end.
func Clean() {
	builds.Range(func(_, v any) bool {
		if b := v.(*built); b.path != "" {
			_ = os.RemoveAll(filepath.Dir(b.path))
		}
		return true
	})
}
