package grants

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
)

// TestDeclarations: what a session declares is read entry by entry.
func TestDeclarations(t *testing.T) {
	typist, _ := access.Typist.Verbs()
	viewer, _ := access.Viewer.Verbs()
	types := access.SetOf(access.Type)
	for text, want := range map[string][]Declared{
		"":   nil,
		"  ": nil,
		"bob:typist,@oncall:viewer,carol:type%3": {
			{Who: "bob", What: "typist", Verbs: typist, At: 1},
			{Who: "@oncall", What: "viewer", Verbs: viewer, At: 12},
			{Who: "carol", What: "type", Verbs: types, Pane: 3, OnPane: true, At: 27},
		},
		"bob:view+scroll": {{Who: "bob", What: "view,scroll", Verbs: viewer, At: 1}},
		" bob:viewer ,  bob:typist%0 ": {
			{Who: "bob", What: "viewer", Verbs: viewer, At: 2},
			{Who: "bob", What: "typist", Verbs: typist, OnPane: true, At: 16},
		},
	} {
		if got, err := ParseDeclaration(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// TestBadDeclarations: one mistake, and nothing of it is read; the error says where, and
// what to write.
func TestBadDeclarations(t *testing.T) {
	for text, want := range map[string]struct {
		at         int
		text, hint string
	}{
		"bob":                          {4, `"bob" does not say what they may do`, "bob:typist,@oncall"},
		"bob:":                         {5, `no role or verb ""`, "the roles are viewer"},
		":viewer":                      {1, "no name", "write it as"},
		"@:viewer":                     {1, "no name", "write it as"},
		"*:owner":                      {1, "for everybody", "an @group"},
		"bob:typits":                   {5, `no role or verb "typits"`, "the roles are viewer, suggester, typist"},
		"bob:viewer,carol:view+tpye%3": {23, `no role or verb "tpye"`, "the roles are"},
		"bob:view+typist":              {10, `no role or verb "typist"`, "a role stands alone"},
		"bob:view+view":                {10, "view stands there twice", ""},
		"bob:view+":                    {10, `no role or verb ""`, "the roles are"},
		"bob:type%":                    {9, `"%" is no id`, "%3"},
		"bob:type%03":                  {9, `"%03" is no id`, "%3"},
		"bob:type%-1":                  {9, `"%-1" is no id`, "%3"},
		"bob:type%4294967296":          {9, "is no id", "%3"},
		"bob:type%3%4":                 {9, `"%3%4" is no id`, "%3"},
		"bob:viewer,":                  {12, "an entry is empty", "write it as"},
		",bob:viewer":                  {1, "an entry is empty", "write it as"},
		"bob:viewer, ,carol:viewer":    {13, "an entry is empty", "write it as"},
		"bob:viewer,bob:typist":        {12, "bob stands at column 1 already", "in one entry"},
		"bob:type%3,bob:view%3":        {12, "bob stands at column 1 already", "in one entry"},
		"bob:viewer\n":                 {11, "no plain character", "write it as"},
		"bób:viewer":                   {2, "no plain character", "write it as"},
		"bob :viewer":                  {1, "no name", "write it as"},
		"bob: viewer":                  {5, `no role or verb " viewer"`, "the roles are"},
		strings.Repeat("x", 1<<20):     {4097, "more than 4096 bytes", "a group"},
	} {
		got, err := ParseDeclaration(text)
		var bad *DeclarationError
		if !errors.As(err, &bad) || got != nil {
			t.Errorf("%.40q: %+v, %v", text, got, err)
			continue
		}
		if bad.At != want.at || !strings.Contains(bad.Text, want.text) || !strings.Contains(bad.Hint, want.hint) {
			t.Errorf("%.40q: column %d: %s; %s", text, bad.At, bad.Text, bad.Hint)
		}
	}
	many := "p0:viewer"
	for i := range 64 {
		many += fmt.Sprintf(",q%d:viewer", i)
	}
	if _, err := ParseDeclaration(many); err == nil || !strings.Contains(err.Error(), "more than 64 entries") {
		t.Errorf("65 entries: %v", err)
	}
}

// FuzzDeclaration: whatever stands there, what is read gives somebody some verb, says
// where it stood, and is read as the same when it is written again; a mistake has a place
// in the text.
func FuzzDeclaration(f *testing.F) {
	for _, s := range []string{"", "bob:typist,@oncall:viewer,carol:type%3", "bob:view+scroll, x:owner%4294967295", "*:owner", "a:b%c,,", "bob:type%03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseDeclaration(text)
		var bad *DeclarationError
		if err != nil && (!errors.As(err, &bad) || bad.At < 1 || bad.At > len(text)+1 || all != nil) {
			t.Fatalf("%q: %v, %v", text, all, err)
		}
		for _, d := range all {
			if d.Verbs == 0 || !access.AllVerbs.Covers(d.Verbs) || d.Who == "" || !strings.HasPrefix(text[d.At-1:], d.Who+":") {
				t.Fatalf("%q: %+v", text, d)
			}
			again, err := ParseDeclaration(text[d.At-1:][:len(d.Who)+1] + strings.ReplaceAll(d.What, ",", "+"))
			if err != nil || len(again) != 1 || again[0].Verbs != d.Verbs || again[0].Who != d.Who {
				t.Fatalf("%q: %+v is read again as %+v, %v", text, d, again, err)
			}
		}
	})
}
