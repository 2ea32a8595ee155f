package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The form of a bundle: a line with the length of what follows it, the manifest as a signed
// note (golang.org/x/mod/sumdb/note, Ed25519), and the files' contents, one after the other
// in the order of the manifest. Nothing of the contents is looked at before the signature.
const (
	magic = "muxward-bundle/1 "
	title = "muxward bundle 1"
)

// Limits of a bundle.
const (
	// MaxSize is the most that a bundle may have, in bytes.
	MaxSize     = 64 << 20
	maxManifest = 1_000_000 // as note.Open has it
	maxFiles    = 2000
	maxFile     = 1 << 20
	// maxLife is how long a bundle may be good at most.
	maxLife = 400 * 24 * time.Hour
)

// File is one file of a bundle.
type File struct {
	Path string `json:"path"`
	Sum  string `json:"sha256"`
	Size int    `json:"size"`
}

// Manifest is what is signed.
type Manifest struct {
	// Name tells bundles of different origin apart: serials count for each name.
	Name string `json:"name"`
	// Serial grows with each bundle of a name.
	Serial uint64 `json:"serial"`
	// Made and Expires are when it may be used.
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	// Hosts are patterns of names of hosts, as of path.Match.
	Hosts []string `json:"hosts"`
	Files []File   `json:"files"`
}

// Bundle is one that was opened: it is whole, and signed by a known key.
type Bundle struct {
	Manifest
	// Key names the key that it is signed by.
	Key string `json:"key"`
	// Digest sums up the manifest, and so all of it.
	Digest string `json:"digest"`

	contents [][]byte
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	hostForm = regexp.MustCompile(`^[A-Za-z0-9_.*?\[\]-]{1,253}$`)
	pathForm = regexp.MustCompile(`^[A-Za-z0-9_.@+=,-]+(/[A-Za-z0-9_.@+=,-]+)*$`)
)

// check refuses manifests that make no sense, whoever has signed them.
func (m *Manifest) check() error {
	switch {
	case !nameForm.MatchString(m.Name):
		return fmt.Errorf("%q is no name of a bundle: letters, digits and . _ -", m.Name)
	case m.Serial == 0:
		return errors.New("a bundle has a serial of 1 or more")
	case !m.Expires.After(m.Made) || m.Expires.Sub(m.Made) > maxLife:
		return fmt.Errorf("a bundle expires after it is made, and within %d days", int(maxLife.Hours()/24))
	case len(m.Hosts) == 0 || len(m.Hosts) > maxFiles:
		return errors.New(`a bundle says for which hosts it is; "*" is all`)
	case len(m.Files) == 0 || len(m.Files) > maxFiles:
		return fmt.Errorf("a bundle has 1 to %d files", maxFiles)
	}
	for _, h := range m.Hosts {
		if _, err := path.Match(h, ""); err != nil || !hostForm.MatchString(h) {
			return fmt.Errorf("%q is no pattern of names of hosts", h)
		}
	}
	for i, f := range m.Files {
		switch {
		case !pathForm.MatchString(f.Path) || !fs.ValidPath(f.Path) || len(f.Path) > 512:
			return fmt.Errorf("%q is no path of a file in a bundle", f.Path)
		case i > 0 && f.Path <= m.Files[i-1].Path:
			return fmt.Errorf("%s is twice in the bundle, or out of order", f.Path)
		case f.Size < 0 || f.Size > maxFile:
			return fmt.Errorf("%s is larger than %d bytes", f.Path, maxFile)
		}
	}
	return nil
}

// text is the manifest as it is signed.
func (m *Manifest) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nname: %s\nserial: %d\nmade: %s\nexpires: %s\nhosts: %s\n", title, m.Name, m.Serial,
		m.Made.UTC().Format(time.RFC3339), m.Expires.UTC().Format(time.RFC3339), strings.Join(m.Hosts, " "))
	for _, f := range m.Files {
		fmt.Fprintf(&b, "file: %s %d %s\n", f.Sum, f.Size, f.Path)
	}
	return b.String()
}

// Create packs a directory into a bundle: all regular files in it, but for those in
// directories whose names begin with a dot. m says the rest.
func Create(dir string, m Manifest, signer note.Signer) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	m.Made, m.Expires = m.Made.UTC().Truncate(time.Second), m.Expires.UTC().Truncate(time.Second)
	m.Files = nil
	contents := map[string][]byte{}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && d.IsDir() && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), "."):
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no regular file: a bundle has no symlinks", filepath.Join(dir, name))
		}
		data, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		m.Files = append(m.Files, File{name, hex.EncodeToString(sum[:]), len(data)})
		contents[name] = data
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := m.check(); err != nil {
		return nil, err
	}
	if _, has := contents["host.yaml"]; !has {
		return nil, fmt.Errorf("%s has no host.yaml: it is no directory of hosts", dir)
	}
	signed, err := note.Sign(&note.Note{Text: m.text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the bundle: %w", err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%d\n%s", magic, len(signed), signed)
	for _, f := range m.Files {
		out.Write(contents[f.Path])
	}
	if len(signed) > maxManifest || out.Len() > MaxSize {
		return nil, errors.New("the directory is too large for a bundle")
	}
	return out.Bytes(), nil
}

// Extract writes the files into a directory, which must be empty.
func (b *Bundle) Extract(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for i, f := range b.Files {
		if d := path.Dir(f.Path); d != "." {
			if err := root.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		file, err := root.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = file.Write(b.contents[i])
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}
