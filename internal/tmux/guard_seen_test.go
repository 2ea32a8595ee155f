package tmux

import (
	"testing"
)

// What somebody has to have in front of them is typed while their client shows the pane,
// and no other fills the window; and only while its program hears it.
func TestGuardedTypesOnlyWhereSeen(t *testing.T) {
	srv, r, c, x, in := startShown(t)
	hidden := in
	hidden.Seen = true
	shown, hears := hidden, hidden
	shown.SeenBy = x.TTY()
	hears.Seen, hears.Hearing = false, true
	const refused = "refused-7"
	want := ""
	for _, tc := range []struct {
		do                   []string
		shown, hidden, hears string
	}{
		{[]string{"select-window", "-t", "rec:0"}, "", "", ""},
		{[]string{"select-window", "-t", "rec:7"}, refused + Unseen, "", ""},
		{[]string{"select-window", "-t", "rec:0"}, "", "", ""},
		{[]string{"resize-pane", "-Z", "-t", "rec:0.1"}, refused + Unseen, refused + Unseen, ""},
		{[]string{"resize-pane", "-Z", "-t", r.pane.String()}, "", "", ""},
		{[]string{"select-pane", "-d", "-t", r.pane.String()}, "", "", refused},
		{[]string{"select-pane", "-e", "-t", r.pane.String()}, "", "", ""},
	} {
		srv.run(tc.do...)
		for _, is := range []struct {
			name, want string
			at         Place
		}{{"shown", tc.shown, shown}, {"hidden", tc.hidden, hidden}, {"hears", tc.hears, hears}} {
			if tc.hears != "" && is.name != "hears" {
				continue // typed, and not heard
			}
			if got := r.typed(t, c, is.at, "s"); got != is.want {
				t.Errorf("%q, %s: %q, want %q", tc.do, is.name, got, is.want)
			}
			if is.want == "" {
				want += "s"
			}
		}
	}
	until(t, "what was seen arrives", func() bool { return r.got(t) == want })
	if _, err := Guarded(Place{Pane: r.pane, SeenBy: "/dev/pts/1}#{x"}, [][]string{{"send-keys"}}, "no", ParseOptions{}); err == nil {
		t.Error("a name that is a format is taken")
	}
}
