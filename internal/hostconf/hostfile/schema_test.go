package hostfile

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/config"
)

var update = flag.Bool("update", false, "write host.schema.json and testdata anew")

// comments are what the source says of each field, by TYPE.FIELD.
func comments(t *testing.T, dirs ...string) map[string]string {
	out := map[string]string{}
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, id := range field.Names {
							out[spec.Name.Name+"."+id.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
						}
					}
				}
				return true
			})
		}
	}
	return out
}

// schemaOf gives the JSON Schema of a type.
func schemaOf(typ reflect.Type, said map[string]string, loose bool) map[string]any {
	if w, ok := reflect.New(typ).Elem().Interface().(worded); ok {
		return map[string]any{"enum": w.Words()}
	}
	loose = loose || typ == reflect.TypeFor[config.Config]()
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9.]+(ns|us|ms|s|m|h))+$`}
	case typ.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case typ == reflect.TypeFor[config.Themselves]():
		return map[string]any{"type": []string{"boolean", "array"}, "items": map[string]any{"type": "string"}}
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Int64:
		return map[string]any{"type": "integer"}
	case typ.Kind() == reflect.String && loose:
		return map[string]any{"type": []string{"string", "boolean"}}
	case typ.Kind() == reflect.String:
		return map[string]any{"type": "string", "maxLength": maxText}
	case typ.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(typ.Elem(), said, loose)}
	case typ.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(typ.Elem(), said, loose)}
	}
	properties := map[string]any{}
	for i := range typ.NumField() {
		field := typ.Field(i)
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		s := schemaOf(field.Type, said, loose)
		if text := said[typ.Name()+"."+field.Name]; text != "" {
			s["description"] = text
		}
		properties[key] = s
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// The schemas for editors are what the structures say, with their comments.
func TestSchemaIsUpToDate(t *testing.T) {
	said := comments(t, ".", "../../config")
	for _, c := range []struct {
		file, title, have string
		typ               reflect.Type
	}{
		{"host.schema.json", "muxward: host.yaml, groups/NAME.yaml, hosts/NAME.yaml", JSONSchema(), reflect.TypeFor[Host]()},
		{"profile.schema.json", "muxward: profiles/NAME.yaml", ProfileSchema(), reflect.TypeFor[config.Profile]()},
	} {
		s := schemaOf(c.typ, said, false)
		s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		s["title"] = c.title
		data, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, '\n')
		if *update {
			if err := os.WriteFile(c.file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if string(data) != c.have {
			t.Errorf("%s is not up to date; run: go test ./internal/hostconf/hostfile -run Schema -update", c.file)
		}
	}
}

// The schema and the reader take and refuse the same keys and kinds of values.
func TestSchemaAgrees(t *testing.T) {
	if *update {
		return
	}
	whole := resolved(t, schemaText)
	first, err := files.ReadFile("files/host.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.ReadFile("testdata/full/host.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		good       bool
	}{
		{"first", string(first), true},
		{"full", string(full), true},
		{"unknown", "schema: 1\ntmuxx: {}\n", false},
		{"deep unknown", "schema: 1\ntmux: {lock: {afer: 3}}\n", false},
		{"unknown of serve", "schema: 1\nserve: {dors: /x}\n", false},
		{"number for a text", "schema: 1\npolicy: {directory: 3}\n", false},
		{"text for a list", "schema: 1\nlinger: {allow: alice}\n", false},
		{"text for a truth", "schema: 1\npam: sure\n", false},
		{"another word", "schema: 1\ntmux: {clipboard: maybe}\n", false},
		{"pam as a word and as a truth", "schema: 1\nserve: {ssh: {pam: true}}\n", true},
	} {
		var v any
		if err := yaml.Unmarshal([]byte(c.text), &v); err != nil {
			t.Fatal(err)
		}
		bySchema := whole.Validate(v)
		r := newReader()
		var h Host
		r.value(r.parse("x", []byte(c.text)), reflect.ValueOf(&h).Elem(), "", false)
		if (bySchema == nil) != c.good || (r.err() == nil) != c.good {
			t.Errorf("%s: by the schema %v, by the reader %v; want good %v", c.name, bySchema, r.err(), c.good)
		}
	}
}

// resolved is a schema that values are held against.
func resolved(t *testing.T, text string) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	whole, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// So it is with that of profiles: for the examples, and for what is none.
func TestProfileSchemaAgrees(t *testing.T) {
	if *update {
		return
	}
	whole := resolved(t, ProfileSchema())
	all := map[string]bool{"comand: [/x]\n": false, "command: /x\n": false, "shared: often\n": false, "about: x\n": true}
	examples, err := fs.Glob(files, "files/profiles/*.yaml.example")
	if err != nil || len(examples) < 3 {
		t.Fatal(examples, err)
	}
	for _, name := range examples {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[string(text)] = true
	}
	for text, good := range all {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		bySchema := whole.Validate(v)
		r := newReader()
		var p config.Profile
		r.value(r.parse("x", []byte(text)), reflect.ValueOf(&p).Elem(), "", false)
		if (bySchema == nil) != good || (r.err() == nil) != good {
			t.Errorf("by the schema %v, by the reader %v; want good %v of:\n%s", bySchema, r.err(), good, text)
		}
	}
}
