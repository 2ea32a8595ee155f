package keep

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A secret that stands in the place of its path is in no error, nor is that of a file that is there.
func TestSecretErrorsTellNone(t *testing.T) {
	if !asRoot() {
		return
	}
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	for name, file := range map[string]struct {
		data string
		mode os.FileMode
	}{"good": {"s3kr1t\n", 0o600}, "open": {"s3kr1t\n", 0o640}, "empty": {"\n", 0o600}, "null": {"s3kr1t\x00", 0o600}} {
		if err := os.WriteFile(dir+"/"+name, []byte(file.data), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := readSecret(dir + "/good"); got != "s3kr1t" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	if err := os.Symlink(dir+"/s3kr1t-nowhere", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"/s3kr1t/of=the/base64kind": "its file: no such file or directory", dir + "/s3kr1t": "its file: no such file or directory",
		dir + "/open": "may be read by others", dir + "/empty": "is empty", dir + "/null": "has a NUL",
		dir + "/good/s3kr1t": "its file: not a directory", dir: "no regular", "/" + strings.Repeat("s3kr1t", 1000): "its file: file name too long",
	} {
		if got, err := readSecret(path); err == nil || strings.Contains(err.Error(), "s3kr1t") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}
