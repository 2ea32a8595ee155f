package tmuxtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Password is that of every account of the tests, for pam_unix.
const Password = "correct horse"

// hashed is Password with few rounds: tests are not to wait for it.
const hashed = "$6$rounds=1000$muxward$QKZnkkidSRIc5tNAyZbe27V7L2vlv9nvjoeF7nXKnN5Ofa3mqZ7TstAykvFVDRh3X0isQWO0qSjaVjqKzA6IG/"

// PAM has a PAM service of the test's own, with the lines of its stack, beside those of
// the host: in the mount namespace of the tests, as the accounts and their passwords are.
func PAM(t testing.TB, service, lines string) {
	t.Helper()
	As(t, Alice)
	pamOnce.Do(func() { pamOnce.dir, pamOnce.err = overlayPAM(base(t)) })
	err := pamOnce.err
	if err == nil {
		err = os.WriteFile(filepath.Join(pamOnce.dir, service), []byte(lines), 0o644)
	}
	if err != nil {
		t.Fatalf("PAM of the tests: %v", err)
	}
}

// pamOnce puts the directory of services and the passwords over those of the host.
var pamOnce struct {
	sync.Once
	dir string
	err error
}

func overlayPAM(base string) (string, error) {
	var shadow strings.Builder
	for _, a := range accounts(base) {
		fmt.Fprintf(&shadow, "%s:%s:20000:0:99999:7:::\n", a.Name, hashed)
	}
	if err := overlay(base, "/etc/shadow", shadow.String()); err != nil {
		return "", err
	}
	if err := os.Chmod("/etc/shadow", 0o600); err != nil {
		return "", err
	}
	const path = "/etc/pam.d"
	dir := filepath.Join(base, "pam.d")
	if err := os.CopyFS(dir, os.DirFS(path)); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	if err := unix.Mount(dir, path, "", unix.MS_BIND, ""); err != nil {
		return "", fmt.Errorf("put services over %s: %w", path, err)
	}
	return dir, nil
}

// PAMModule reports whether the host has a PAM module, such as pam_oath.
func PAMModule(name string) bool {
	for _, dir := range []string{"/lib/security", "/usr/lib/security", "/lib64/security", "/lib/*/security", "/usr/lib/*/security"} {
		if found, _ := filepath.Glob(filepath.Join(dir, name+".so")); len(found) > 0 {
			return true
		}
	}
	return false
}
