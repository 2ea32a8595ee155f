package pane

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestRequest(t *testing.T) {
	for _, r := range []Request{
		{Term: "screen-256color", Pane: "%0", Session: "0", Login: true},
		{Term: "tmux", Pane: "%17", Session: "3", Dir: "/a b", Command: "echo 'x'\nid"},
		{Term: "tmux", Pane: "%17", Session: "3", Dir: Like + "/dev/pts/4", Command: "top", Ticket: strings.Repeat("0f", TicketLen/2)},
	} {
		if got, err := ParseRequest(r.Encode()); err != nil || got != r {
			t.Errorf("%+v: %+v, %v", r, got, err)
		}
	}
	good := Request{Term: "tmux", Pane: "%1", Session: "3", Command: "top"}
	for what, change := range map[string]func(*Request){
		"no command":         func(r *Request) { r.Command = "" },
		"login with command": func(r *Request) { r.Login = true },
		"NUL":                func(r *Request) { r.Command = "a\x00b" },
		"pane":               func(r *Request) { r.Pane = "1" },
		"pane of letters":    func(r *Request) { r.Pane = "%x" },
		"session":            func(r *Request) { r.Session = "" },
		"term":               func(r *Request) { r.Term = "a b" },
		"relative":           func(r *Request) { r.Dir = "etc" },
		"like a file":        func(r *Request) { r.Dir = Like + "/etc" },
		"long directory":     func(r *Request) { r.Dir = "/" + strings.Repeat("x", maxDir) },
		"a short ticket":     func(r *Request) { r.Ticket = "0f" },
		"a ticket of others": func(r *Request) { r.Ticket = strings.Repeat("0F", TicketLen/2) },
		"long":               func(r *Request) { r.Command = strings.Repeat("x", MaxRequest) },
	} {
		r := good
		change(&r)
		if got, err := ParseRequest(r.Encode()); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestAnswer(t *testing.T) {
	for _, a := range []Answer{{Asked: true}, {Begun: true}, {Refused: "not yours: %1"}, {Ended: true, Code: 7}, {Ended: true}, {Ended: true, Signal: 11}} {
		if got, err := ParseAnswer(a.Encode()); err != nil || got != a {
			t.Errorf("%+v: %+v, %v", a, got, err)
		}
	}
	for _, bad := range []string{"", "exit", "exit 256", "exit -1", "signal 0", "signal 65", "begun 1"} {
		if got, err := ParseAnswer([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// What is taken is written as it was read: nothing hides between two fields.
func FuzzRequest(f *testing.F) {
	f.Add(Request{Term: "screen", Pane: "%0", Session: "0", Login: true}.Encode())
	f.Add(Request{Term: "tmux", Pane: "%17", Session: "3", Dir: Like + "/dev/pts/4", Command: "top"}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ParseRequest(data); err == nil && string(r.Encode()) != string(data) {
			t.Errorf("%q is %+v", data, r)
		}
	})
}

func TestRequestOf(t *testing.T) {
	ticket := strings.Repeat("0f", TicketLen/2)
	env := map[string]string{"TERM": "tmux", "TMUX_PANE": "%2", "TMUX": "/a,b/s,12,3", DirVariable: "/srv", TicketVariable: ticket}
	get := func(k string) string { return env[k] }
	if r, err := requestOf([]string{"-muxward-pane"}, get); err != nil || r != (Request{"tmux", "%2", "3", "/srv", true, "", ticket}) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := requestOf([]string{"muxward-pane", "-c", "top"}, get); err != nil || r.Login || r.Command != "top" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, argv := range [][]string{{"muxward-pane", "-c"}, {"muxward-pane", "-c", ""}, {"x", "-c", "a", "b"}, {"x", "-l", "a"}} {
		if r, err := requestOf(argv, get); err == nil {
			t.Errorf("%q: %+v", argv, r)
		}
	}
}

func TestCgroupAbove(t *testing.T) {
	const mounts = "1 2 0:3 / /proc rw - proc proc rw\n" +
		"36 35 0:31 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw\n"
	for own, want := range map[string]string{
		"4:cpu:/x\n0::/\n":                   "/sys/fs/cgroup/unified",
		"0::/system.slice/muxward.service\n": "/sys/fs/cgroup/unified/system.slice/muxward.service",
		"4:cpu:/x\n":                         "",
		"0::/../elsewhere\n":                 "",
	} {
		if got := cgroupAbove(mounts, own); got != want {
			t.Errorf("%q: %q, want %q", own, got, want)
		}
	}
	const part = "36 35 0:31 /a /cg rw - cgroup2 cgroup2 rw\n"
	if got := cgroupAbove(part, "0::/a/b\n"); got != "/cg/b" {
		t.Errorf("%q", got)
	}
	if got := cgroupAbove(part, "0::/ab\n"); got != "" {
		t.Errorf("%q", got)
	}
}

// Nothing of root's is opened, whatever the configuration says.
func TestReadSession(t *testing.T) {
	for _, bad := range []string{`{}`, `{"UID":0,"GID":5,"Shell":"/bin/sh"}`, `{"UID":5,"GID":0,"Shell":"/bin/sh"}`,
		`{"UID":5,"GID":5,"Server":5,"Shell":"/bin/sh"}`, `{"UID":5,"GID":5}`, `[`} {
		if s, err := readSession(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: %+v", bad, s)
		}
	}
	good := `{"Form":"` + sessionForm() + `","UID":5,"GID":5,"Server":6,"Shell":"/bin/sh"}`
	if _, err := readSession(strings.NewReader(good)); err != nil {
		t.Error(err)
	}
}

// What was written by another release is not read: it could mean a shell where a program was meant.
func TestReadSessionOfOthers(t *testing.T) {
	rest := `"UID":5,"GID":5,"Server":6,"Shell":"/bin/sh"`
	for _, other := range []string{`{` + rest + `}`, `{"Form":"1-0",` + rest + `}`, `{"Form":"` + sessionForm() + `","Program":"/bin/true",` + rest + `}`} {
		if s, err := readSession(strings.NewReader(other)); !errors.Is(err, errForm) {
			t.Errorf("%s: %+v, %v", other, s, err)
		}
	}
	var a, b strings.Builder
	describe(&a, reflect.TypeFor[struct{ Argv []string }]())
	describe(&b, reflect.TypeFor[struct{ Command string }]())
	if a.String() == b.String() {
		t.Error("other fields have the same form")
	}
}

// TestFormIsOurs: what of a session goes over no line is not in its form, nor what Go's own types
// are made of: programs of one release are built by several versions of Go.
func TestFormIsOurs(t *testing.T) {
	var form strings.Builder
	describe(&form, reflect.TypeFor[Session]())
	for word, in := range map[string]bool{"Shell string": true, "Rules ptr struct": true, "Branched bool": true, "why": false, "fdmu": false} {
		if strings.Contains(form.String(), word) != in {
			t.Errorf("%q is in the form: %t; it is %s", word, !in, form.String())
		}
	}
}
