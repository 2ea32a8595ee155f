package siblings

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A program is found beside the one that is named, or in libexec; not elsewhere.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(dir+"/bin", 0o755), os.Mkdir(dir+"/libexec", 0o755),
		os.WriteFile(dir+"/libexec/helper", nil, 0o755), os.WriteFile(dir+"/bin/other", nil, 0o755), os.WriteFile(dir+"/far", nil, 0o755))
	if err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]string{"helper": "/libexec/helper", "other": "/bin/other", "far": ""} {
		path, err := Beside(dir+"/bin/muxward", name)
		if where != "" && !strings.HasSuffix(path, where) || where == "" && err == nil {
			t.Errorf("%s: %q, %v", name, path, err)
		}
	}
}
