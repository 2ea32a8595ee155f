package host

import "testing"

func TestDivide(t *testing.T) {
	for what, want := range map[string][2]string{
		"":                          {"", ""},
		"failpoints":                {"failpoints,teeth", ""},
		"teeth_decide,teeth_chain":  {"failpoints,teeth", "decide,chain"},
		"teeth_decide,failpoints":   {"failpoints,teeth", "decide"},
		"teeth_zones":               {"teeth_zones", ""},
		"teeth_zones,teeth_decide":  {"teeth_zones,failpoints,teeth", "decide"},
		"decide":                    {"decide", ""},
		"teeth_once_ticket,another": {"another,failpoints,teeth", "once_ticket"},
	} {
		if tags, out := divide(what); tags != want[0] || out != want[1] {
			t.Errorf("%q: tags %q, out %q, want %q", what, tags, out, want)
		}
	}
}
