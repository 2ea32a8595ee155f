package hostfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/trusted"
)

const (
	baseFile  = "host.yaml"
	groupsDir = "groups"
	hostsDir  = "hosts"
	// maxFile and maxFiles bound what is read.
	maxFile  = 1 << 20
	maxFiles = 1000
)

// Found is what the files say of one host.
type Found struct {
	// Name is the host's.
	Name string
	Host Host
	// Layers are the files that were read, each over the one before.
	Layers []string
	// Policy are the files of the policy, by their names, and Tmux those of Host.Tmux.Files and Isolated
	// by theirs.
	Policy, Tmux map[string]string

	serve *yaml.Node // as it was said
	from  map[string]string
}

// From tells which file and line says what is at a path, such as tmux.clipboard; "" if none.
func (f *Found) From(path string) string { return f.from[path] }

// hostName is a name of a host or of a group, which is a file's as well.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$`)

// ErrOpen is the error of files that somebody else may change.
var ErrOpen = errors.New("others may write to it")

// tree reads files of a directory, and nothing beyond it.
type tree struct {
	*os.Root
	strict bool // refuses what others may write to
	who    trusted.Who
	n      int
	beside map[string][]string // the files of profiles of each layer
}

// Load reads what the files in a directory say of the host called name. strict refuses files
// that others may write to, or that are neither root's, nor the caller's, nor those of who
// called sudo. Mistakes in files are [policy.Problems].
func Load(dir, name string, strict bool) (*Found, error) {
	if !hostName.MatchString(name) {
		return nil, fmt.Errorf("%q is no name of a host; give one with --host", name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; muxward host init DIR writes a first directory", err)
	}
	defer root.Close()
	t := &tree{Root: root, strict: strict, who: believed(), beside: map[string][]string{}}
	if err := t.check("."); err != nil {
		return nil, err
	}
	r := newReader()
	f := &Found{Name: name, Policy: map[string]string{}, Tmux: map[string]string{}, from: map[string]string{}}
	if err := f.layers(t, r); err != nil {
		return nil, err
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	if err := f.beside(t, r); err != nil {
		return nil, err
	}
	f.check(r)
	return f, r.err()
}

// layers reads host.yaml, the groups and the host's own file, and lays them over each other.
func (f *Found) layers(t *tree, r *reader) error {
	base, err := t.layer(r, baseFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; this is no directory of hosts: muxward host init DIR writes one", err)
	}
	if err != nil {
		return err
	}
	own, err := f.ownLayer(t, r)
	if err != nil {
		return err
	}
	f.Layers = append([]string{baseFile}, t.beside[baseFile]...)
	merged := base
	var said Host
	if own != nil {
		newReader().value(own, reflect.ValueOf(&said).Elem(), "", false)
	}
	for i, g := range said.Groups {
		if !hostName.MatchString(g) || slices.Contains(said.Groups[:i], g) {
			r.value(own, reflect.ValueOf(&said).Elem(), "", false)
			r.failAt(fmt.Sprintf("groups.%d", i), "", "%q is no name of a group, or is given twice", clip(g))
			continue
		}
		file := path.Join(groupsDir, g+".yaml")
		n, err := t.layer(r, file)
		if errors.Is(err, fs.ErrNotExist) {
			r.value(own, reflect.ValueOf(&said).Elem(), "", false)
			r.failAt(fmt.Sprintf("groups.%d", i), policy.DidYouMean(g, t.names(groupsDir)), "there is no %s", file)
			continue
		}
		if err != nil {
			return err
		}
		f.Layers = append(append(f.Layers, file), t.beside[file]...)
		merged = r.merge(merged, n)
	}
	if own != nil {
		merged = r.merge(merged, own)
		f.Layers = append(append(f.Layers, f.ownFile()), t.beside[f.ownFile()]...)
	}
	if r.err() != nil || merged == nil {
		return nil
	}
	r.value(merged, reflect.ValueOf(&f.Host).Elem(), "", false)
	for p, n := range r.at {
		f.from[p] = fmt.Sprintf("%s:%d", r.files[n], n.Line)
	}
	f.serve = r.at["serve"]
	return nil
}

func (f *Found) ownFile() string { return path.Join(hostsDir, f.Name+".yaml") }

// ownLayer reads the host's own file. Where there are such files, a host without one is
// none of theirs: a name that is misspelt does not get what all others have.
func (f *Found) ownLayer(t *tree, r *reader) (*yaml.Node, error) {
	n, err := t.layer(r, f.ownFile())
	if !errors.Is(err, fs.ErrNotExist) {
		return n, err
	}
	if dir := path.Join(hostsDir, f.Name); t.isDir(dir) {
		return nil, fmt.Errorf("there is %s and no %s; write one, if only with a comment", dir, f.ownFile())
	}
	others := t.names(hostsDir)
	if len(others) == 0 {
		return nil, nil
	}
	hint := ""
	if d := policy.DidYouMean(f.Name, others); strings.HasPrefix(d, "did") {
		hint = " (" + d + ")"
	}
	return nil, fmt.Errorf("there is no %s%s; write one, if only with a comment, or name a host with --host", f.ownFile(), hint)
}

// layer reads one file of the form of Host, and checks its keys.
func (t *tree) layer(r *reader, file string) (*yaml.Node, error) {
	data, err := t.read(file)
	if err != nil {
		return nil, err
	}
	n, err := t.withProfiles(r, file, r.parse(file, data))
	if n == nil || err != nil {
		return nil, err
	}
	one := newReader() // what it says of places is not that of all files
	one.files = r.files
	var h Host
	one.value(n, reflect.ValueOf(&h).Elem(), "", false)
	if _, said := one.at["schema"]; said && file != baseFile {
		one.failAt("schema", "leave it out", "it stands in %s alone", baseFile)
	}
	if _, said := one.at["groups"]; said && !strings.HasPrefix(file, hostsDir+"/") {
		one.failAt("groups", "leave it out", "it stands in %s/NAME.yaml", hostsDir)
	}
	r.problems = append(r.problems, one.problems...)
	return n, nil
}

// merge lays one file over another: mappings key by key, everything else whole. A list
// takes the place of a list.
func (r *reader) merge(base, over *yaml.Node) *yaml.Node {
	if base == nil || over == nil || base.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode {
		if over == nil {
			return base
		}
		return over
	}
	out := *base
	r.files[&out] = r.files[base]
	out.Content = slices.Clone(base.Content)
	for i := 0; i+1 < len(over.Content); i += 2 {
		k, v := over.Content[i], over.Content[i+1]
		found := false
		for j := 0; j+1 < len(out.Content); j += 2 {
			if out.Content[j].Value == k.Value {
				out.Content[j+1], found = r.merge(out.Content[j+1], v), true
				break
			}
		}
		if !found {
			out.Content = append(out.Content, k, v)
		}
	}
	return &out
}

// beside reads the files that are named: of the policy, and of tmux.
func (f *Found) beside(t *tree, r *reader) error {
	if dir := f.Host.Policy.Directory; dir != "" {
		if !inside(dir) {
			r.failAt("policy.directory", "", "%q is no directory beside %s", clip(dir), baseFile)
			return nil
		}
		names, err := t.list(dir)
		if errors.Is(err, fs.ErrNotExist) {
			r.failAt("policy.directory", "", "there is no %s", dir)
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			is, like := policy.FileName(name)
			if info, err := t.Stat(path.Join(dir, name)); err == nil && info.IsDir() && !strings.HasPrefix(name, ".") {
				r.failAt("policy.directory", "move its files up, or out of the way", "%s/%s is a directory, in which no policy is read", dir, clip(name))
				continue
			}
			if like && !is {
				r.failAt("policy.directory", "policy files are people.yaml, grants.yaml, *.grants.yaml, *.cedar and *.test.yaml", "%s/%s is no policy file, and looks like one", dir, clip(name))
			}
			if !is {
				continue
			}
			data, err := t.read(path.Join(dir, name))
			if err != nil {
				return err
			}
			f.Policy[name] = string(data)
		}
	}
	if err := t.tmuxFiles(f, r, "tmux.files", f.Host.Tmux.Files); err != nil {
		return err
	}
	return t.tmuxFiles(f, r, "tmux.isolated", f.Host.Tmux.Isolated)
}

// tmuxFiles reads files of tmux's configuration.
func (t *tree) tmuxFiles(f *Found, r *reader, key string, names []string) error {
	for i, name := range names {
		at := fmt.Sprintf("%s.%d", key, i)
		base := path.Base(name)
		if !inside(name) || !strings.HasSuffix(name, ".conf") || !hostName.MatchString(base) {
			r.failAt(at, "", "%q is no file NAME.conf beside %s", clip(name), baseFile)
			continue
		}
		if _, twice := f.Tmux[base]; twice {
			r.failAt(at, "", "there are two files of the name %s", base)
			continue
		}
		data, err := t.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			r.failAt(at, "", "there is no %s", name)
			continue
		}
		if err != nil {
			return err
		}
		f.Tmux[base] = string(data)
	}
	return nil
}

// inside reports whether a path is one below the directory, as it is written.
func inside(p string) bool { return p != "." && path.Clean(p) == p && fs.ValidPath(p) }

// names gives the NAME of each NAME.yaml in a directory.
func (t *tree) names(dir string) (out []string) {
	all, err := t.list(dir)
	if err != nil {
		return nil
	}
	for _, name := range all {
		if n, yes := strings.CutSuffix(name, ".yaml"); yes && hostName.MatchString(n) {
			out = append(out, n)
		}
	}
	return out
}

func (t *tree) isDir(name string) bool {
	info, err := t.Stat(name)
	return err == nil && info.IsDir()
}

func (t *tree) list(dir string) (out []string, err error) {
	if err := t.check(dir); err != nil {
		return nil, err
	}
	d, err := t.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%s: more than %d files", dir, maxFiles)
	}
	slices.Sort(names)
	return names, nil
}

func (t *tree) read(name string) ([]byte, error) {
	if t.n++; t.n > 2*maxFiles {
		return nil, fmt.Errorf("more than %d files", 2*maxFiles)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if err := t.check(dir); err != nil {
			return nil, err
		}
	}
	if err := t.way(name); err != nil {
		return nil, err
	}
	f, err := t.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO keeps nobody waiting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	if err := t.trusted(name, f); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return data, err
}

// check refuses a directory that others may change.
func (t *tree) check(dir string) error {
	if !t.strict {
		return nil
	}
	if err := t.way(dir); err != nil {
		return err
	}
	d, err := t.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return t.trusted(dir, d)
}

// way refuses what others can put another in the place of. Symlinks on the way have to be of those who
// could have anything applied, as has where they lie and lead through. What the way leads to is looked at by who opens it.
func (t *tree) way(name string) error {
	if !t.strict {
		return nil
	}
	_, err := t.who.Way(t.Name()+"/"+name, trusted.Apart)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // who opens it says so
	}
	return trusted.Said(err, words)
}

// trusted refuses what others may change: who applies these files as root would do what
// they say.
func (t *tree) trusted(name string, f *os.File) error {
	if !t.strict {
		return nil
	}
	return trusted.Said(t.who.Held(int(f.Fd()), path.Join(t.Name(), name), trusted.Itself), words)
}

// believed are those who may have anything applied: root, the caller, and who calls sudo.
func believed() trusted.Who {
	who := trusted.Us()
	if uid, err := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); err == nil {
		who = who.And(uint32(uid), "who calls sudo")
	}
	return who.Groups(accounts.System())
}

func words(f *trusted.Fault) error {
	switch {
	case f.Why == trusted.Everybody:
		return fmt.Errorf("%s: %w: chmod o-w", f.At, ErrOpen)
	case f.Open():
		return fmt.Errorf("%s: %w, as its group or an access list says: chmod g-w", f.At, ErrOpen)
	}
	return fmt.Errorf("%s belongs to uid %d, who could have anything applied: it has to be root's, or that of who calls sudo", f.At, f.UID)
}
