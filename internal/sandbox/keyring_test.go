package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is started alone has a session keyring that is not ours, nor that of another that was
// started so: a key of one is not the other's. The control run starts it as it is.
func TestStartAlone(t *testing.T) {
	done := make(chan error)
	go func() { // its thread is thrown away
		runtime.LockOSThread()
		done <- startAlone()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func startAlone() error {
	if err := ThreadKeyring(); err != nil {
		return err
	}
	if _, err := unix.AddKey("user", "mwours", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return err
	}
	var rings []string
	for what, start := range map[string]func(*exec.Cmd) error{"it": (*exec.Cmd).Start, "one": StartAlone, "other": StartAlone} {
		var out strings.Builder
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asConfined+"=ring")
		cmd.Stdout = &out
		err := start(cmd)
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			return err
		}
		ring, found, _ := strings.Cut(out.String(), " ")
		if (found == "found") != (what == "it") {
			return fmt.Errorf("%s: %s", what, out.String())
		}
		rings = append(rings, ring)
	}
	slices.Sort(rings)
	if len(slices.Compact(slices.Clone(rings))) != 3 {
		return fmt.Errorf("keyrings %q", rings)
	}
	return nil
}

// ring tells which session keyring this process has, and whether the key is in it.
func ring() error {
	id, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if err != nil {
		return err
	}
	_, err = unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", "mwours", 0)
	switch {
	case err == nil:
		fmt.Printf("%d found", id)
		return nil
	case errors.Is(err, unix.ENOKEY):
		fmt.Printf("%d none", id)
		return nil
	}
	return err
}
