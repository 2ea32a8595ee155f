//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
)

// At fails as the file of that name says; whoever comes first removes it, so
// one goroutine fails.
func At(name string) {
	dir := os.Getenv("MUXWARD_FAILPOINTS")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, name)
	what, err := os.ReadFile(path)
	if err != nil || os.Remove(path) != nil {
		return
	}
	if string(what) == "hang" {
		select {}
	}
	panic("failpoint " + name)
}
