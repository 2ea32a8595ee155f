package hostfile

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/muxward/muxward/internal/policy/starter"
)

//go:embed all:files
var files embed.FS

//go:embed host.schema.json
var schemaText string

//go:embed profile.schema.json
var profileSchemaText string

// JSONSchema is the JSON Schema of host.yaml, for editors.
func JSONSchema() string { return schemaText }

// ProfileSchema is that of profiles/NAME.yaml.
func ProfileSchema() string { return profileSchemaText }

// Write writes a first directory of hosts, which must be empty or not exist, with a policy
// for the person me with the given Unix account and uid. It gives the names of the files.
// Nothing is ever overwritten; on an error what was written is removed again.
func Write(dir, me, account string, uid int) (written []string, err error) {
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return nil, fmt.Errorf("%s: %w", dir, starter.ErrNotEmpty)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	policies, err := starter.Write(filepath.Join(dir, "policy"), me, account, uid)
	if err != nil {
		return nil, err
	}
	for _, name := range policies {
		written = append(written, path.Join("policy", name))
	}
	defer func() {
		if err == nil {
			return
		}
		for _, n := range written {
			os.Remove(filepath.Join(dir, n))
		}
		written = nil
	}()
	err = fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "files" {
			return err
		}
		to := strings.TrimPrefix(name, "files/")
		if d.IsDir() {
			return os.Mkdir(filepath.Join(dir, to), 0o755)
		}
		text, err := files.ReadFile(name)
		if err == nil {
			err = create(filepath.Join(dir, to), text)
		}
		if err == nil {
			written = append(written, to)
		}
		return err
	})
	for _, s := range []struct{ name, text string }{{"host.schema.json", schemaText}, {"profile.schema.json", profileSchemaText}} {
		if err == nil {
			err = create(filepath.Join(dir, s.name), []byte(s.text))
		}
		if err == nil {
			written = append(written, s.name)
		}
	}
	return written, err
}

// create writes a file that must not exist yet.
func create(at string, text []byte) error {
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		os.Remove(at)
		return err
	}
	return f.Close()
}
