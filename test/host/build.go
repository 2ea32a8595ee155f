package host

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"
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
	ahead.once.Do(beginAhead)
	b := builtOnce(tag, func() (string, error) { return build(context.Background(), tag, "go") })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func builtOnce(tag string, build func() (string, error)) *built {
	v, _ := builds.LoadOrStore(tag, &built{})
	b := v.(*built)
	b.once.Do(func() { b.path, b.err = build() })
	return b
}

func build(ctx context.Context, tag string, tool ...string) (string, error) {
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
	args := append(tool[1:], "build", "-ldflags", "-s -w", "-o", out)
	if tag != "" {
		args = append(args, "-tags", tag)
	}
	args = append(args, "github.com/muxward/muxward/cmd/muxward")
	cmd := exec.CommandContext(ctx, tool[0], args...)
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("build muxward: %w\n%s", err, text)
	}
	return out, nil
}

// ahead is what is built before somebody waits for it.
var ahead struct {
	wanted bool
	once   sync.Once
	stop   context.CancelFunc
	done   chan struct{}
}

// Ahead has all that the tests of this package will build built while they wait for
// other things, if all of them are run; a TestMain calls it first. It is much: what
// depends on a check is compiled anew without it.
func Ahead() { ahead.wanted = true }

func beginAhead() {
	if !ahead.wanted || flag.Lookup("test.run").Value.String() != "" {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ahead.stop, ahead.done = stop, make(chan struct{})
	go func() {
		defer close(ahead.done)
		for _, tag := range namedTags() {
			if ctx.Err() != nil {
				return
			}
			builtOnce(tag, func() (string, error) { return build(ctx, tag, "nice", "-n", "5", "go") })
		}
	}()
}

// namedTags are the tags that the tests of this package name, in their order.
func namedTags() (tags []string) {
	literal := regexp.MustCompile(`"(teeth_[a-z]+(?:,teeth_[a-z]+)*)"`)
	files, _ := filepath.Glob("*_test.go") // the pattern is right
	for _, file := range files {
		text, _ := os.ReadFile(file) // or it is built when it is needed
		for _, m := range literal.FindAllSubmatch(text, -1) {
			tags = append(tags, string(m[1]))
		}
	}
	return tags
}

// Clean removes what Build made; a TestMain calls it at the end.
func Clean() {
	if ahead.stop != nil {
		ahead.stop()
		<-ahead.done
	}
	builds.Range(func(_, v any) bool {
		if b := v.(*built); b.path != "" {
			_ = os.RemoveAll(filepath.Dir(b.path))
		}
		return true
	})
}
