package tmuxtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// programsVar lists tmux programs to test with, separated by colons. Tests
// that try one use the first, tests that try several use all of them.
const programsVar = "MUXWARD_TMUX"

// Program returns the tmux program that a test uses: the first that
// MUXWARD_TMUX lists, else the one in PATH.
func Program(t testing.TB) string {
	t.Helper()
	path := chosen()
	if path == "" {
		path = "tmux"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		t.Fatal("tmuxtest: these tests need tmux: ", err)
	}
	return path
}

func chosen() string {
	for _, path := range filepath.SplitList(os.Getenv(programsVar)) {
		if path != "" {
			return path
		}
	}
	return ""
}

// choose makes the chosen program the tmux of PATH, for this process and,
// through [Account.Env], for all that the tests start.
func choose() error {
	path := chosen()
	if path == "" {
		return nil
	}
	if filepath.Base(path) != "tmux" {
		return fmt.Errorf("%s=%s: the program has to be called tmux, as clients look it up by name", programsVar, path)
	}
	if _, err := exec.LookPath(path); err != nil {
		return fmt.Errorf("%s: %w", programsVar, err)
	}
	return os.Setenv("PATH", filepath.Dir(path)+":"+os.Getenv("PATH"))
}

// searchPath is the PATH of accounts.
func searchPath() string {
	const usual = "/usr/local/bin:/usr/bin:/bin"
	if path := chosen(); path != "" {
		return filepath.Dir(path) + ":" + usual
	}
	return usual
}

// WriteProgram is [os.WriteFile] for a file that is to be run. Whoever is started by this
// process while it is written would hold it open for writing until that has become what it is
// to be, and nobody may run a file that somebody writes ("text file busy").
func WriteProgram(path string, data []byte, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, data, mode)
}
