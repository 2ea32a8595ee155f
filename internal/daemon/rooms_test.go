package daemon

import (
	"reflect"
	"testing"
)

// Each service in a room of its own is told all that it asks for, but for what the configuration may leave out. Of who has no
// tmux server they are told that there is none, and not of one that is nothing.
func TestRoomsAreToldAll(t *testing.T) {
	d := granter(t)
	mayLack := map[string]bool{
		"Requests.Hook":       true, // nobody is told
		"Keyboards.AnswerKey": true, // there is none
	}
	for _, room := range []any{d.given, d.requests, d.keyboards} {
		v := reflect.ValueOf(room).Elem()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := v.Type().Name() + "." + f.Name
			if f.IsExported() && f.Type.Kind() != reflect.Struct && !mayLack[name] && v.Field(i).IsZero() {
				t.Errorf("nobody sets %s", name)
			}
		}
	}
	if d.given.Servers.Server("nobody") != nil || d.keyboards.Servers.Server("nobody") != nil {
		t.Error("who has no tmux server has one that is nothing")
	}
	if d.given.Away() != nil {
		t.Error("an account is another's, and none was looked up")
	}
}
