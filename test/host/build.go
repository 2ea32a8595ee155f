package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

type built struct {
	once sync.Once
	path string
	err  error
}

var builds sync.Map // tag → *built

// Build builds muxward once for this test binary and gives its path. tag is a
// build tag, "" for none.
func Build(t testing.TB, tag string) string {
	t.Helper()
	v, _ := builds.LoadOrStore(tag, &built{})
	b := v.(*built)
	b.once.Do(func() { b.path, b.err = build(tag) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func build(tag string) (string, error) {
	dir, err := os.MkdirTemp("", "muxward-bin-")
	if err != nil {
		return "", err
	}
	// Every account of the tests runs it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "muxward")
	// Without what only debuggers read it is linked in half the time, which counts:
	// there is a build for each check that is taken out.
	args := []string{"build", "-ldflags", "-s -w", "-o", out}
	if tag != "" {
		args = append(args, "-tags", tag)
	}
	cmd := exec.Command("go", append(args, "github.com/muxward/muxward/cmd/muxward")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build muxward: %w\n%s", err, text)
	}
	return out, nil
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
