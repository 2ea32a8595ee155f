package way

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks bounds how many symbolic links are on a way; the kernel takes no more.
const maxLinks = 40

// Visit is told of one thing on a way: the root, a directory, a symbolic link before it is
// followed, or what the path leads to. rest is what is still to come, as it is written;
// nothing but slashes is nothing. An error ends the way.
type Visit func(at string, info fs.FileInfo, rest string) error

// Walk goes the way of a path and gives where it leads, with no symbolic link left in that. A
// path that is not absolute begins at the working directory. It is not cleaned before: what
// .. means behind a symbolic link is the kernel's to say. What cannot be looked at ends the way
// with an [fs.PathError]. Some things are told of more than once.
func Walk(path string, visit Visit) (string, error) {
	rest := path
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("%s: it is not known where that begins: %v", path, err) // not of the way
		}
		rest = wd + "/" + path
	}
	at := "/"
	for links := 0; ; {
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if err := visit(at, info, rest); err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return "", fmt.Errorf("%s leads nowhere", at)
			}
			if at = filepath.Dir(at); filepath.IsAbs(target) {
				at = "/"
			}
			rest = target + "/" + rest
			continue
		}
		if rest = strings.TrimLeft(rest, "/"); rest == "" {
			return at, nil
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		at = filepath.Join(at, name) // where no symbolic link is left
	}
}
