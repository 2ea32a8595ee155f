package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unitsOfState are the units whose StateDirectory= would take the state from the account for root.
func unitsOfState() []string { return []string{"muxward.service", "muxward-sockets-watch.service"} }

// unitDirs are where systemd finds units, what counts most first (systemd.unit(5)).
func unitDirs() []string {
	return []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}
}

// taking names files of units by which systemd gives muxward's state to root: with StateDirectory=, and
// no User=, it does that at every start, to all that is in there (systemd.exec(5)). over has files in the
// places where they will be; else they are those of root.
func taking(root, over, state string) (out []string, err error) {
	for _, unit := range unitsOfState() {
		var files []string
		for _, dir := range unitDirs() {
			at := filepath.Join(dir, unit)
			data, err := readEither(over+at, root+at)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if len(data) > 0 { // else it is masked
				files = append(files, at)
			}
			break // the others do not count
		}
		for _, dir := range slices.Backward(unitDirs()) {
			more, err := filepath.Glob(root + filepath.Join(dir, unit+".d", "*.conf"))
			if err != nil {
				return nil, err
			}
			for _, at := range more {
				files = append(files, strings.TrimPrefix(at, root))
			}
		}
		at, err := takesState(root, over, state, files)
		if err != nil {
			return nil, err
		}
		if at != "" {
			out = append(out, at)
		}
	}
	return out, nil
}

// takesState gives the file of a unit's that has the StateDirectory= which counts, if it is root's.
func takesState(root, over, state string, files []string) (at string, err error) {
	user := ""
	for _, file := range files {
		data, err := readEither(over+file, root+file)
		if err != nil {
			return "", err
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), "=")
			switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
			case "StateDirectory":
				if value == "" { // it takes back those before it
					at = ""
				}
				for _, dir := range strings.Fields(value) {
					dir, _, _ = strings.Cut(dir, ":")
					if in(state, filepath.Join("/var/lib", dir)) {
						at = file
					}
				}
			case "User":
				user = value
			}
		}
	}
	if user != "" && user != "root" && user != "0" {
		return "", nil
	}
	return at, nil
}

// in reports whether a path is a directory, or in it.
func in(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// maxUnit is more than any unit has, in bytes.
const maxUnit = 1 << 20

// readEither reads the first of two files that is there. What is no file, such as /dev/null, is empty.
func readEither(first, then string) ([]byte, error) {
	for _, at := range []string{first, then} {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, nil
		case info.Size() > maxUnit:
			return nil, fmt.Errorf("%s is larger than %d bytes, and no unit of systemd", at, maxUnit)
		default:
			return os.ReadFile(at)
		}
	}
	return nil, &fs.PathError{Op: "open", Path: then, Err: fs.ErrNotExist}
}

// untaken refuses to have muxward run as an account whose state systemd takes away.
func untaken(root, over, state string) error {
	all, err := taking(root, over, state)
	if err != nil || len(all) == 0 {
		return err
	}
	return fmt.Errorf("%s: StateDirectory= has systemd give muxward's state to root at every start, and it is to be the account's that muxward runs as: "+
		"muxward setup brings new units; take the line out of what is yours", strings.Join(all, ", "))
}
