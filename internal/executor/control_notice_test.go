package executor

import (
	"strings"
	"testing"
	"unicode"
)

// What a guest in control mode is told, in what words, and about what; all the
// rest is not for them.
func TestReadNotice(t *testing.T) {
	const drop = "-"
	for line, want := range map[string]string{
		`%output %3 a\015\012`:                      `%output %3 a\015\012 | %3`,
		"%output %3 ":                               "%output %3  | %3",
		"%output %3":                                drop,
		"%output 3 a":                               drop,
		"%output %3x a":                             drop,
		"%output %4294967296 a":                     drop,
		"%output %3 a\x9bb\xff\x7f\u009b":           `%output %3 a\233b\377\177\302\233 | %3`,
		"%output %3 a\u202eb\u2029":                 `%output %3 a\342\200\256b\342\200\251 | %3`,
		"%extended-output %3 17 : x : y":            "%extended-output %3 17 : x : y | %3",
		"%extended-output %3 17 x":                  drop,
		"%extended-output %3 now : x":               drop,
		"%pause %3":                                 "%pause %3 | %3",
		"%pause %3 more":                            drop,
		"%continue %3":                              "%continue %3 | %3",
		"%pane-mode-changed %3":                     "%pane-mode-changed %3 | %3",
		"%layout-change @1 a49d,90x30,0,0,0 b *":    "%layout-change @1 a49d,90x30,0,0,0 b * | @1",
		"%layout-change @1 #(touch) b *":            drop,
		"%window-add @1":                            "%window-add @1 | @1",
		"%window-close @1":                          "%window-close @1 | @1 closed",
		"%window-renamed @1 a b\x1b":                "%window-renamed @1 | @1 renamed",
		"%window-pane-changed @1 %2":                "%window-pane-changed @1 %2 | @1 %2",
		"%window-pane-changed @1":                   drop,
		"%session-changed $1 work":                  "%session-changed $1 work | $1",
		"%session-changed $1 ":                      drop, // a session has a name
		"%session-renamed $1":                       drop,
		"%session-renamed $1 a b":                   "%session-renamed $1 a b | $1",
		"%session-window-changed $1 @2":             "%session-window-changed $1 @2 | $1 @2",
		"%sessions-changed":                         "%sessions-changed | listed",
		"%sessions-changed $1":                      drop,
		"%unlinked-window-add @1":                   drop,
		"%unlinked-window-renamed @1 secret":        drop,
		"%client-session-changed /dev/pts/1 $1 two": drop,
		"%client-detached /dev/pts/1":               drop,
		"%message hello":                            drop,
		"%config-error x":                           drop,
		"%paste-buffer-changed b":                   drop,
		"%subscription-changed n $1 @1 0 %1 : x":    drop,
		"%exit":                                     drop,
		"%begin 1 2 1":                              drop,
		"%end 1 2 1":                                drop,
		"output %3 a":                               drop,
		"":                                          drop,
		"%":                                         drop,
	} {
		if got := told(line); got != want {
			t.Errorf("%q is told as %q, want %q", line, got, want)
		}
	}
}

// told is what a guest is told, and what it is about.
func told(line string) string {
	n, ok := readNotice([]byte(line))
	if !ok {
		return "-"
	}
	s := n.line
	if n.named != "" {
		s += " " + n.named
	}
	s += " |"
	if n.session != nil {
		s += " " + n.session.String()
	}
	if n.window != nil {
		s += " " + n.window.String()
	}
	if n.pane != nil {
		s += " " + n.pane.String()
	}
	if n.renamed {
		s += " renamed"
	}
	if n.closed {
		s += " closed"
	}
	if n.listed {
		s += " listed"
	}
	return s
}

// Whatever comes, a guest is told one line that says whose it is, without
// anything that a terminal would obey.
func FuzzReadNotice(f *testing.F) {
	f.Add([]byte("%output %1 a\\015"))
	f.Add([]byte("%extended-output %1 5 : a"))
	f.Add([]byte("%layout-change @1 a49d,90x30,0,0,0 a49d,90x30,0,0,0 *"))
	f.Add([]byte("%session-changed $1 name"))
	f.Add([]byte("%window-pane-changed @1 %1"))
	f.Fuzz(func(t *testing.T, line []byte) {
		n, ok := readNotice(line)
		if !ok {
			return
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(n.line, "%"), " ")
		if _, known := subjects[kind]; !known {
			t.Errorf("%q is no notification for guests: %q", kind, line)
		}
		if n.session == nil && n.window == nil && n.pane == nil && !n.listed {
			t.Errorf("%q is about nothing", line)
		}
		for _, text := range []string{n.line, n.named} {
			if strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q is told with a control character: %q", line, text)
			}
		}
		if n.named == "" {
			if again, ok := readNotice([]byte(n.line)); !ok || again.line != n.line {
				t.Errorf("%q is told as %q, which is not read back: %q", line, n.line, again.line)
			}
		}
	})
}
