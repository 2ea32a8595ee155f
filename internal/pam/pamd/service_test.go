package pamd

import (
	"os"
	"path/filepath"
	"testing"
)

// TestServiceIn: a service that PAM would not go by itself is none.
func TestServiceIn(t *testing.T) {
	dir := t.TempDir()
	for text, ok := range map[string]bool{
		"auth required pam_unix.so\n": true, "@include common-auth\n": true, "#c\n -auth\tinclude x\n": true, "AUTH required pam_unix.so\n": true,
		"": false, "account required pam_unix.so\n": false, "# auth required pam_unix.so\n": false} {
		if err := os.WriteFile(filepath.Join(dir, "muxward"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ServiceIn("muxward", dir+"/none", dir); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ServiceIn("muxward", dir+"/none"); err == nil {
		t.Error("one that is not there")
	}
}
