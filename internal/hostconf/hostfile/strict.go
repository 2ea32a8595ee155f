package hostfile

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/strictyaml"
)

// maxText is the longest text that a file may hold.
const maxText = 4096

// worded is a kind of text that has only these words.
type worded interface{ Words() []string }

// reader reads nodes of YAML into values, strictly, and collects what is wrong with them.
type reader struct {
	problems policy.Problems
	files    map[*yaml.Node]string // of each node
	at       map[string]*yaml.Node // by path, as in tmux.clipboard
}

func newReader() *reader {
	return &reader{files: map[*yaml.Node]string{}, at: map[string]*yaml.Node{}}
}

// fail tells a mistake at a node.
func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.problems = append(r.problems, policy.Problem{File: r.files[n], Line: n.Line, Column: n.Column, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// failAt tells a mistake in the value at a path; what was not said is the file's.
func (r *reader) failAt(path, hint, format string, args ...any) {
	for p := path; p != ""; {
		if n := r.at[p]; n != nil {
			r.fail(n, hint, "%s: %s", path, fmt.Sprintf(format, args...))
			return
		}
		p = p[:max(strings.LastIndexByte(p, '.'), 0)]
	}
	r.problems = append(r.problems, policy.Problem{File: baseFile, Line: 1, Column: 1, Text: path + ": " + fmt.Sprintf(format, args...), Hint: hint})
}

// ofSecrets reports whether a path is that of secrets, or of one of them.
func ofSecrets(path string) bool { return strings.Contains(path+".", "."+secretsKey+".") }

// failOf tells a mistake in the value at a path. Of a key or a value in secrets, it is not told which: what
// stands there may be the secret. top is the mapping itself.
func (r *reader) failOf(path string, top *yaml.Node) strictyaml.Fail {
	if !ofSecrets(path) {
		return r.fail
	}
	return func(n *yaml.Node, hint, format string, args ...any) {
		if n != top {
			hint, format, args = "", "secrets has a key or a value that is none, or a key twice", nil
		}
		r.fail(n, hint, format, args...)
	}
}

// err gives the mistakes in the order of files and lines, or nil.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b policy.Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(r.problems)
}

// parse reads one file; nil if it says nothing or is no YAML.
func (r *reader) parse(file string, data []byte) *yaml.Node {
	var n yaml.Node
	if !utf8.Valid(data) {
		r.problems = append(r.problems, policy.Problem{File: file, Line: 1, Column: 1, Text: "not UTF-8"})
		return nil
	}
	if err := yaml.Load(data, &n); err != nil {
		if said := nothing(data); !said {
			r.syntax(file, data, err)
		}
		return nil
	}
	if n.Kind != yaml.DocumentNode || len(n.Content) != 1 || n.Content[0].Tag == "!!null" {
		return nil
	}
	r.own(n.Content[0], file)
	return n.Content[0]
}

// nothing reports whether a file has only comments and blank lines.
func nothing(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if s := strings.TrimSpace(line); s != "" && s[0] != '#' {
			return false
		}
	}
	return true
}

// own notes from which file nodes are.
func (r *reader) own(n *yaml.Node, file string) {
	r.files[n] = file
	for _, c := range n.Content {
		r.own(c, file)
	}
}

// unknownAnchor is in the YAML library's error about what begins with a star.
const unknownAnchor = "unknown anchor"

func (r *reader) syntax(file string, data []byte, err error) {
	p := policy.Problem{File: file}
	p.Line, p.Column, p.Text = strictyaml.Syntax(err)
	p.Line, p.Column = max(p.Line, 1), max(p.Column, 1)
	if strings.Contains(p.Text, unknownAnchor) { // its name may be a secret that was written here
		p.Text, p.Hint = unknownAnchor, `none are read; a star is quoted: "*"`
	}
	lines := strings.Split(string(data), "\n")
	if p.Line <= len(lines) && strings.Contains(lines[p.Line-1], "\t") {
		p.Hint = "indent with spaces, not tabs"
	}
	r.problems = append(r.problems, p)
}

// value reads a node into a value. loose is for muxward's own configuration, which takes
// true for a text.
func (r *reader) value(n *yaml.Node, v reflect.Value, path string, loose bool) {
	if !strictyaml.Ordinary(n, r.failOf(path, nil)) {
		return
	}
	r.at[path] = n
	if w, ok := v.Interface().(worded); ok {
		r.word(n, v, path, w.Words())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.value(n, v.Elem(), path, loose)
	case reflect.Struct:
		r.structure(n, v, path, loose || v.Type() == reflect.TypeFor[config.Config]())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, e := range r.entries(n, path) {
			item := reflect.New(v.Type().Elem()).Elem()
			if e.Value.Tag != "!!null" {
				r.value(e.Value, item, path+"."+e.Key.Value, loose)
			}
			v.SetMapIndex(reflect.ValueOf(e.Key.Value), item)
		}
	case reflect.Slice:
		r.list(n, v, path, loose)
	default:
		r.scalar(n, v, path, loose)
	}
}

func (r *reader) list(n *yaml.Node, v reflect.Value, path string, loose bool) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "", "%s must be a list, not %s", path, strictyaml.Kind(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		r.value(item, v.Index(i), fmt.Sprintf("%s.%d", path, i), loose)
	}
}

func (r *reader) word(n *yaml.Node, v reflect.Value, path string, words []string) {
	if n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
		r.fail(n, policy.DidYouMean(n.Value, words), "%s must be one of %s, not %s", path, strings.Join(words, ", "), strictyaml.Value(n))
		return
	}
	v.SetString(n.Value)
}

// scalar reads a text, a number, a truth or a duration.
func (r *reader) scalar(n *yaml.Node, v reflect.Value, path string, loose bool) {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "", "%s must be %s, not %s", path, wanted(v), strictyaml.Kind(n))
		return
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(n.Value)
		if err != nil {
			r.fail(n, "write it as 90s or 5m", "%s must be a duration, not %s", path, strictyaml.Value(n))
		}
		v.SetInt(int64(d))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		if n.Tag != "!!bool" || n.Value != "true" && n.Value != "false" {
			r.fail(n, "", "%s must be true or false, not %s", path, strictyaml.Value(n))
		}
		v.SetBool(n.Value == "true")
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Tag != "!!int" || err != nil {
			r.fail(n, "", "%s must be a number, not %s", path, strictyaml.Value(n))
		}
		v.SetInt(int64(i))
	case reflect.String:
		r.text(n, v, path, loose)
	default:
		r.fail(n, "", "%s cannot be read: this is a fault of muxward", path)
	}
}

func (r *reader) text(n *yaml.Node, v reflect.Value, path string, loose bool) {
	if n.Tag != "!!str" && n.Tag != "!!timestamp" && !(loose && n.Tag == "!!bool") {
		hint := ""
		if n.Tag != "!!null" {
			hint = fmt.Sprintf("to mean the word, quote it: %q", n.Value)
		}
		what := strictyaml.Value(n)
		if ofSecrets(path) {
			hint, what = "put the value into a file that only root can read, and name that", strictyaml.Kind(n) // it may be the secret itself
		}
		r.fail(n, hint, "%s must be a text, not %s", path, what)
		return
	}
	if len(n.Value) > maxText {
		r.fail(n, "", "%s has more than %d bytes", path, maxText)
		return
	}
	if i := strings.IndexFunc(n.Value, func(c rune) bool { return !unicode.IsPrint(c) }); i >= 0 {
		c, _ := utf8.DecodeRuneInString(n.Value[i:])
		r.fail(n, "", "%s holds the character %U, which does not print", path, c)
		return
	}
	v.SetString(n.Value)
}

// structure reads a mapping whose keys are the fields of a structure.
func (r *reader) structure(n *yaml.Node, v reflect.Value, path string, loose bool) {
	fields := fieldsOf(v.Type())
	for _, e := range r.entries(n, path) {
		i, known := fields[e.Key.Value]
		if !known {
			r.fail(e.Key, policy.DidYouMean(e.Key.Value, keysOf(v.Type())), "unknown key %q in %s", clip(e.Key.Value), cmp.Or(path, "the file"))
			continue
		}
		if e.Value.Tag == "!!null" {
			r.fail(e.Key, "leave the key out", "%q says nothing", e.Key.Value)
			continue
		}
		r.value(e.Value, v.Field(i), strings.TrimPrefix(path+"."+e.Key.Value, "."), loose)
	}
}

// entries gives the entries of a mapping, each key once.
func (r *reader) entries(n *yaml.Node, path string) []strictyaml.Pair {
	list, _ := strictyaml.Pairs(n, cmp.Or(path, "the file"), r.failOf(path, n))
	return list
}

// fieldsOf gives the fields of a structure by their keys.
func fieldsOf(t reflect.Type) map[string]int {
	out := map[string]int{}
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); key != "" && key != "-" {
			out[key] = i
		}
	}
	return out
}

// keysOf gives the keys of a structure in the order of its fields.
func keysOf(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		if key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); key != "" && key != "-" {
			out = append(out, key)
		}
	}
	return out
}

func wanted(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a number"
	}
	return "a text"
}

// clip keeps a foreign word short in a message.
func clip(s string) string { return strictyaml.Clip(s) }
