package starter

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/muxward/muxward/internal/identity"
)

//go:embed files
var files embed.FS

// blank is where the files name the person who starts.
var blank = regexp.MustCompile(`\b(ME|UID|ACCOUNT)\b`)

// others are what the examples call somebody where whoever starts has that name.
var others = map[string]string{"bob": "ben", "carol": "cora", "mallory": "trudy"}

// ErrNotEmpty is the error of a directory that holds something already.
var ErrNotEmpty = errors.New("there is something in it already; init writes only into an empty or new directory")

// File is one of the starter policy.
type File struct {
	Name string
	Text []byte
}

// Which of the starter policy's people and grants count.
const (
	WithExamples = true
	// OnlyMe leaves the examples in as comments: on a host that others use, bob may be
	// somebody, and nobody has granted him anything.
	OnlyMe = false
)

// Files gives the starter policy for the person me with the given Unix account and uid.
func Files(me, account string, uid int, examples bool) ([]File, error) {
	if _, err := identity.CanonicalName(me); err != nil {
		return nil, fmt.Errorf("cannot name you in a policy: %w", err)
	}
	values := map[string]string{"ME": me, "UID": strconv.Itoa(uid), "ACCOUNT": strconv.Quote(account)}
	entries, err := files.ReadDir("files")
	if err != nil {
		return nil, err
	}
	var all []File
	for _, e := range entries {
		text, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return nil, err
		}
		if other := others[me]; other != "" {
			text = regexp.MustCompile(`\b`+me+`\b`).ReplaceAll(text, []byte(other))
		}
		text = blank.ReplaceAllFunc(text, func(word []byte) []byte {
			return []byte(values[string(word)])
		})
		text = markExamples(text, examples)
		all = append(all, File{Name: e.Name(), Text: text})
	}
	return all, nil
}

// markExamples takes the marks off the examples in a file. If they are not to count, they
// become comments.
func markExamples(text []byte, count bool) []byte {
	var out []byte
	inside := false
	for line := range bytes.Lines(text) {
		switch string(line) {
		case "#EXAMPLES\n":
			inside = true
			continue
		case "#END\n":
			inside = false
			continue
		}
		if inside && !count {
			out = append(out, '#')
			if line[0] != '\n' {
				out = append(out, ' ')
			}
		}
		out = append(out, line...)
	}
	return out
}

// Write writes the starter policy into dir, which must be empty or not exist,
// for the person me with the given Unix account and uid. It gives the names of
// the files. Nothing is ever overwritten; on an error what was written is
// removed again.
func Write(dir, me, account string, uid int) (written []string, err error) {
	all, err := Files(me, account, uid, WithExamples)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o755); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	defer func() {
		if err != nil {
			for _, n := range written {
				os.Remove(filepath.Join(dir, n))
			}
			written = nil
		}
	}()
	for _, f := range all {
		if err := create(filepath.Join(dir, f.Name), f.Text); err != nil {
			return written, err
		}
		written = append(written, f.Name)
	}
	return written, nil
}

// create writes a file that must not exist yet.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		os.Remove(path)
		return err
	}
	return f.Close()
}
