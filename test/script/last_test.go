package script

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// last waits until the last line of somebody's terminal is like that.
func (s *scene) last(ts *testscript.TestScript, _ bool, args []string) {
	x, like := s.at(ts, args[0]), regexp.MustCompile(args[1])
	s.until(ts, func() bool { rows := x.Screen(); return like.MatchString(rows[len(rows)-1]) }, func() string {
		return fmt.Sprintf("the last line of %s is not like %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
	})
}

// once waits until one line of somebody's terminal has a text, and no other.
func (s *scene) once(ts *testscript.TestScript, _ bool, args []string) {
	x := s.at(ts, args[0])
	s.until(ts, func() bool {
		n := 0
		for _, row := range x.Screen() {
			if strings.Contains(row, args[1]) {
				n++
			}
		}
		return n == 1
	}, func() string {
		return fmt.Sprintf("not one line of %s has %q:\n%s", args[0], args[1], strings.Join(x.Screen(), "\n"))
	})
}
