package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who has a log in their hands puts something in the place of its files that keeps others from reading on: whoever
// verifies it hears so, and waits for nobody.
func TestVerifyWaitsForNobody(t *testing.T) {
	key, again := sample(t)
	for _, name := range []string{"segment", hashesFile, checkpointsFile, pubFile} {
		dir := again(t)
		path := filepath.Join(dir, name)
		switch segs, err := listSegments(dir); {
		case err != nil:
			t.Fatal(err)
		case name == "segment":
			path = filepath.Join(dir, segs[1].name)
		case name == pubFile:
			path = filepath.Join(t.TempDir(), name)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			if name == pubFile {
				_, err := StoredKey(filepath.Dir(path))
				done <- err
				return
			}
			_, err := Verify(t.Context(), dir, key, VerifyOptions{})
			done <- err
		}()
		select {
		case err := <-done:
			if name == hashesFile { // it goes on without
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if err == nil {
				t.Errorf("%s: it is taken", name)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s: it is waited for", name)
			if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
				_ = f.Close() // lets it go on
			}
			<-done
		}
	}
}
