package hostfile

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	profilesDir = "profiles"
	profilesKey = "profiles"
	yamlEnd     = ".yaml"
)

// profilesBeside is the directory of a layer's profiles: profiles beside host.yaml, else one of that
// name below the one that is called as the layer is, as in groups/web/profiles.
func profilesBeside(layer string) string {
	if layer == baseFile {
		return profilesDir
	}
	return path.Join(strings.TrimSuffix(layer, yamlEnd), profilesDir)
}

// withProfiles puts the profiles that lie beside a layer, NAME.yaml each, into it as if they stood there
// under profiles. One of the same name in both is a mistake.
func (t *tree) withProfiles(r *reader, layer string, n *yaml.Node) (*yaml.Node, error) {
	found, err := t.profiles(r, layer)
	if err != nil || len(found) == 0 || n != nil && n.Kind != yaml.MappingNode {
		return n, err
	}
	if n == nil {
		n = r.made(layer, yaml.MappingNode)
	}
	var all *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == profilesKey {
			all = n.Content[i+1]
		}
	}
	if all == nil {
		all = r.made(found[0].file, yaml.MappingNode)
		n.Content = append(n.Content, r.key(found[0].file, profilesKey), all)
	}
	if all.Kind != yaml.MappingNode {
		return n, nil // which is told
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(all.Content); i += 2 {
		lines[all.Content[i].Value] = all.Content[i].Line
	}
	for _, p := range found {
		if line := lines[p.name]; line != 0 {
			r.fail(p.node, "leave one of them out", "the profile %s stands in %s as well, in line %d", clip(p.name), layer, line)
			continue
		}
		all.Content = append(all.Content, r.key(p.file, p.name), p.node)
	}
	return n, nil
}

// profile is one that has a file of its own.
type profile struct {
	name, file string
	node       *yaml.Node
}

// profiles reads those beside a layer. A name that looks like one of a profile and is none is a mistake:
// nobody would see that it counts for nothing.
func (t *tree) profiles(r *reader, layer string) (out []profile, err error) {
	dir := profilesBeside(layer)
	if _, err := t.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names, err := t.list(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue // editors have theirs there, such as links to nowhere
		}
		file := path.Join(dir, name)
		info, err := t.Stat(file)
		if err != nil {
			return nil, err
		}
		switch base, is := strings.CutSuffix(name, yamlEnd); {
		case info.IsDir():
			r.fail(r.made(file, yaml.MappingNode), "move its files up, or out of the way", "is a directory, in which no profile is read")
		case is:
			data, err := t.read(file)
			if err != nil {
				return nil, err
			}
			before := len(r.problems)
			n := r.parse(file, data)
			if n == nil && len(r.problems) == before {
				r.fail(r.made(file, yaml.MappingNode), "remove it, or call it "+base+".yaml.example", "says nothing")
			}
			if n != nil {
				out = append(out, profile{base, file, n})
				t.beside[layer] = append(t.beside[layer], file)
			}
		case looksLikeYAML(name):
			r.fail(r.made(file, yaml.MappingNode), "profiles are NAME.yaml", "is no file of a profile, and looks like one")
		}
	}
	return out, nil
}

func looksLikeYAML(name string) bool {
	end := strings.ToLower(path.Ext(name))
	return end == yamlEnd || end == ".yml" || end == ".json"
}

// made makes a node that stands at the beginning of a file.
func (r *reader) made(file string, kind yaml.Kind) *yaml.Node {
	n := &yaml.Node{Kind: kind, Line: 1, Column: 1}
	r.files[n] = file
	return n
}

func (r *reader) key(file, word string) *yaml.Node {
	n := r.made(file, yaml.ScalarNode)
	n.Tag, n.Value = "!!str", word
	return n
}
