package tmuxtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The environment of re-executed test binaries. roleVar names what a child is
// to be instead of a test run; the others are arguments.
const (
	roleVar = "MUXWARD_TMUXTEST"
	fileVar = "MUXWARD_TMUXTEST_FILE"
	baseVar = "MUXWARD_TMUXTEST_BASE"
	nsVar   = "MUXWARD_TMUXTEST_ACCOUNTS"

	// skippedVar names a file that collects what all packages skipped.
	skippedVar = "MUXWARD_SKIPPED"

	roleRecord = "record"
	roleReap   = "reap"
	roleTests  = "tests"

	skipFile = "skipped"
)

// Runner is what TestMain is given: *testing.M, or what wraps one.
type Runner interface{ Run() int }

// LeakChecked is a Runner that fails a run which leaves goroutines behind. Those that read a process
// which does not let them are that process's to end, and it may be of another package's tests, which
// run at the same time: whatever looks at all processes meets it.
type LeakChecked struct{ Runner }

// hangs is what reads a process.
const hangs = "github.com/muxward/muxward/internal/procfs.(*Memory).Read."

// Run runs the tests.
func (l LeakChecked) Run() int {
	code := l.Runner.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction(hangs+"func1"), goleak.IgnoreAnyFunction(hangs+"func2")); err != nil {
			return complain(err)
		}
	}
	return code
}

// Main runs the tests and returns the exit code for os.Exit. In a re-executed
// child it is the recorder or the reaper instead and does not return to the
// tests. At the end it prints how many tests were skipped, with reasons.
func Main(m Runner) int {
	if code, ok := role(); ok {
		return code
	}
	return runTests(m)
}

// role runs what this process was re-executed for.
func role() (code int, ok bool) {
	switch os.Getenv(roleVar) {
	case roleRecord:
		return record(os.Getenv(fileVar)), true
	case roleReap:
		return reap(os.Stdin, os.Getenv(baseVar)), true
	}
	return 0, false
}

func runTests(m Runner) int {
	if err := choose(); err != nil {
		return complain(err)
	}
	base := os.Getenv(baseVar)
	if os.Getenv(roleVar) != roleTests { // nobody made one for us
		var err error
		if base, err = newBase(); err != nil {
			return complain(err)
		}
		defer removeAll(base)
		if err := os.Setenv(baseVar, base); err != nil {
			return complain(err)
		}
	}
	code := m.Run()
	printSkipped(filepath.Join(base, skipFile))
	return code
}

// newBase makes the directory under which all is kept: short, because a
// socket's path has room for 107 bytes, and open, because other accounts
// have to get to what is theirs inside.
func newBase() (string, error) {
	base, err := os.MkdirTemp("/tmp", "mwt")
	if err != nil {
		return "", err
	}
	return base, os.Chmod(base, 0o755)
}

// removeAll removes a directory even where the tests took the right to write
// away, as they do when they run as an ordinary account.
func removeAll(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // before it is read
		}
		return nil
	})
	_ = os.RemoveAll(dir) // what is left belongs to somebody else
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "tmuxtest:", err)
	return 2
}

// base returns the directory that Main made.
func base(t testing.TB) string {
	t.Helper()
	dir := os.Getenv(baseVar)
	if dir == "" {
		t.Fatal("tmuxtest: func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) } is missing in this package")
	}
	return dir
}

// Dir returns a new directory with a short path that the account owns (the
// test's own account if the zero Account is given), mode 0755. It is removed
// at the end of the test.
func Dir(t testing.TB, owner Account) string {
	t.Helper()
	dir, err := os.MkdirTemp(base(t), "")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil && owner.Name != "" {
		err = os.Chown(dir, int(owner.UID), int(owner.GID))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(dir) })
	return dir
}

// Skip skips the test and counts it, so that what was left out is told: at the
// end of this package's run, and, because go test keeps to itself what a
// package says that passes, in the file that MUXWARD_SKIPPED names, which the
// Makefile prints. No test skips in another way; house_test.go sees to it.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	Missing(t, format, args...)
	t.Skipf(format, args...)
}

// Missing counts a part of a test that is left out, and goes on with the rest.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	reason := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	t.Log(reason)
	if err := note(filepath.Join(base(t), skipFile), t.Name()+": "+reason); err != nil {
		t.Fatal(err)
	}
	if all := os.Getenv(skippedVar); all != "" {
		if err := note(all, filepath.Base(os.Args[0])+" "+t.Name()+": "+reason); err != nil {
			t.Fatal(err)
		}
	}
}

// note appends a line to a file.
func note(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

func printSkipped(path string) {
	list, err := os.ReadFile(path)
	if err != nil || len(list) == 0 {
		return
	}
	fmt.Fprintf(os.Stderr, "tmuxtest: %d tests skipped:\n%s", bytes.Count(list, []byte("\n")), list)
}

// helper is this test binary at a path that every account may execute.
var helper = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.Getenv(baseVar), "helper")
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer self.Close()
	// Whoever is started meanwhile would hold the file open for writing until it is what it
	// is to be, and nobody may run a file that somebody writes.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(to, self); err == nil {
		err = to.Chmod(0o755)
	}
	if e := to.Close(); err == nil {
		err = e
	}
	return path, err
})
