package config

import (
	"reflect"
	"strings"
)

// keys tells which keys a file has that is read into values of type t, as people read it.
func keys(t reflect.Type) string {
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || name == "" {
			continue
		}
		in, named := f.Type, ""
		if in.Kind() == reflect.Map {
			in, named = in.Elem(), "NAME: "
		}
		if in.Kind() == reflect.Struct {
			if inner := keys(in); inner != "" {
				name += " (" + named + inner + ")"
			}
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
