package profiles

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/strictyaml"
)

// maxFile bounds a file of profiles.
const maxFile = 1 << 20

// maxProblems is how many mistakes are told.
const maxProblems = 20

// Read reads a file of profiles. It has to be root's, or ours, and so has every directory
// above it: what stands there runs as other accounts.
func Read(file string) (map[string]config.Profile, error) {
	real, err := siblings.Real(file)
	if err != nil {
		return nil, fmt.Errorf("the file of profiles: %w", err)
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, fmt.Errorf("the file of profiles: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of profiles: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", file, maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("the file of profiles: %w", err)
	}
	return Parse(file, data)
}

// reader collects what is wrong with a file.
type reader struct {
	file string
	list []problem
}

type problem struct {
	line, column int
	text         string
}

func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if hint != "" {
		text += " (" + hint + ")"
	}
	r.list = append(r.list, problem{max(n.Line, 1), max(n.Column, 1), text})
}

func (r *reader) err() error {
	if len(r.list) == 0 {
		return nil
	}
	slices.SortStableFunc(r.list, func(a, b problem) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column)) })
	var lines []string
	for i, p := range r.list {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("and %d more problems", len(r.list)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", r.file, p.line, p.column, p.text))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Parse reads profiles from a text; file names it in errors.
func Parse(file string, data []byte) (map[string]config.Profile, error) {
	r := &reader{file: file}
	all := r.parse(data)
	if err := r.err(); err != nil {
		return nil, err
	}
	return all, nil
}

func (r *reader) parse(data []byte) map[string]config.Profile {
	out := map[string]config.Profile{}
	if !utf8.Valid(data) {
		r.fail(&yaml.Node{}, "", "not UTF-8")
		return nil
	}
	if blank(data) {
		return out
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		line, column, text := strictyaml.Syntax(err)
		if strings.Contains(text, unknownAnchor) { // its name may be a secret that was written here
			text = unknownAnchor + `, and none are read; a star is quoted: "*"`
		}
		r.fail(&yaml.Node{Line: line, Column: column}, "", "%s", text)
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.fail(&doc, "", "not one document")
		return nil
	}
	top, _ := strictyaml.Pairs(doc.Content[0], "the file", r.fail)
	for _, e := range top {
		if e.Key.Value != "profiles" {
			r.fail(e.Key, strictyaml.DidYouMean(e.Key.Value, []string{"profiles"}), "unknown key %q in the file", strictyaml.Clip(e.Key.Value))
			continue
		}
		list, _ := strictyaml.Pairs(e.Value, "profiles", r.fail)
		for i, p := range list {
			if i == Most {
				r.fail(p.Key, "", "more than %d profiles", Most)
				break
			}
			out[p.Key.Value] = r.profile(p)
		}
	}
	return out
}

// blank reports whether a file has only comments and blank lines.
func blank(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if s := strings.TrimSpace(line); s != "" && s[0] != '#' {
			return false
		}
	}
	return true
}

// profile reads one profile.
func (r *reader) profile(e strictyaml.Pair) config.Profile {
	p := config.Profile{Line: e.Key.Line}
	at := map[string]*yaml.Node{"": e.Key}
	fields := map[string]func(n *yaml.Node, what string){
		"command": r.texts(&p.Command), "account": r.text(&p.Account), "run_as": r.text(&p.As), "directory": r.text(&p.Directory),
		"environment": r.values(&p.Environment, "environment", at), "secrets": r.values(&p.Secrets, "secrets", at), "who": r.texts(&p.Who),
		"role": r.text(&p.Role), "shared": r.truth(&p.Shared), "shell": r.truth(&p.Shell), "about": r.text(&p.About),
	}
	before := len(r.list)
	entries, _ := strictyaml.Pairs(e.Value, "the profile "+strictyaml.Clip(e.Key.Value), r.fail)
	for _, f := range entries {
		read := fields[f.Key.Value]
		if read == nil {
			r.fail(f.Key, strictyaml.DidYouMean(f.Key.Value, keys()), "unknown key %q in the profile %s", strictyaml.Clip(f.Key.Value), strictyaml.Clip(e.Key.Value))
			continue
		}
		at[f.Key.Value] = f.Value
		read(f.Value, f.Key.Value)
	}
	if len(r.list) > before {
		return p // it is not what was meant
	}
	Check(e.Key.Value, p, func(key, hint, format string, args ...any) {
		n := at[key]
		if n == nil {
			n = e.Key
		}
		what := "the profile " + strictyaml.Clip(e.Key.Value)
		if key != "" {
			what = named(key)
		}
		r.fail(n, hint, "%s %s", what, fmt.Sprintf(format, args...))
	})
	return p
}

// secretKey is what the keys of secrets begin with.
const secretKey = "secrets."

// named is a key for errors, which are logged: what stands where the name of a secret should may
// be the secret.
func named(key string) string {
	if name, secret := strings.CutPrefix(key, secretKey); secret && !variableForm.MatchString(name) {
		return "a name in secrets"
	}
	return strictyaml.Clip(key)
}

// unknownAnchor is in the YAML library's error about what begins with a star.
const unknownAnchor = "unknown anchor"

// keys are the keys of a profile.
func keys() []string {
	return []string{"command", "account", "run_as", "directory", "environment", "secrets", "who", "role", "shared", "shell", "about"}
}

// word gives a text that prints.
func (r *reader) word(n *yaml.Node, what string) (string, bool) {
	switch {
	case !strictyaml.Ordinary(n, r.fail):
		return "", false
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str" && n.Tag != "!!timestamp":
		r.fail(n, "", "%s must be a text, not %s", what, strictyaml.Kind(n))
		return "", false
	case strings.ContainsFunc(n.Value, func(c rune) bool { return !unicode.IsPrint(c) }):
		r.fail(n, "", "%s holds a character that does not print", what)
		return "", false
	}
	return n.Value, true
}

func (r *reader) text(into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, what string) { *into, _ = r.word(n, what) }
}

func (r *reader) truth(into *bool) func(*yaml.Node, string) {
	return func(n *yaml.Node, what string) {
		if !strictyaml.Ordinary(n, r.fail) {
			return
		}
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" || n.Value != "true" && n.Value != "false" {
			r.fail(n, "", "%s must be true or false, not %s", what, strictyaml.Kind(n))
		}
		*into = n.Value == "true"
	}
}

func (r *reader) texts(into *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, what string) {
		if !strictyaml.Ordinary(n, r.fail) {
			return
		}
		if n.Kind != yaml.SequenceNode {
			r.fail(n, "", "%s must be a list, not %s", what, strictyaml.Kind(n))
			return
		}
		for _, item := range n.Content {
			if w, ok := r.word(item, "what "+what+" lists"); ok {
				*into = append(*into, w)
			}
		}
	}
}

// values reads a mapping of variables. Where they stand is noted.
func (r *reader) values(into *map[string]string, key string, at map[string]*yaml.Node) func(*yaml.Node, string) {
	return func(n *yaml.Node, what string) {
		fail := r.fail
		if key+"." == secretKey {
			fail = r.failSilently(n)
		}
		entries, _ := strictyaml.Pairs(n, what, fail)
		*into = map[string]string{}
		for _, e := range entries {
			at[key+"."+e.Key.Value] = e.Key
			(*into)[e.Key.Value], _ = r.word(e.Value, named(key+"."+e.Key.Value))
		}
	}
}

// failSilently is fail for secrets: of what is wrong with a key there, that is not told.
func (r *reader) failSilently(of *yaml.Node) strictyaml.Fail {
	return func(n *yaml.Node, hint, format string, args ...any) {
		if n == of {
			r.fail(n, hint, format, args...)
			return
		}
		r.fail(n, "", "secrets has a key or a value that is none, or a key twice")
	}
}
