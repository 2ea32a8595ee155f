package tmux

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// signed puts the checksum before a layout.
func signed(body string) string { return fmt.Sprintf("%04x,%s", layoutSum(body), body) }

// randomLayout is a layout of so many levels at most that fills a box.
func randomLayout(w, h, x, y, depth int) string {
	at := fmt.Sprintf("%dx%d,%d,%d", w, h, x, y)
	beside := rand.IntN(2) == 0
	size := h
	if beside {
		size = w
	}
	if depth == 0 || size < 5 || rand.IntN(4) == 0 {
		if rand.IntN(5) == 0 {
			return at // as old versions wrote it
		}
		return at + fmt.Sprintf(",%d", rand.IntN(300))
	}
	var parts []string
	for size > 0 {
		part := size
		if size >= 3 && (len(parts) == 0 || rand.IntN(2) == 0) {
			part = 1 + rand.IntN(size-2)
		}
		if beside {
			parts = append(parts, randomLayout(part, h, x, y, depth-1))
			x += part + 1
		} else {
			parts = append(parts, randomLayout(w, part, x, y, depth-1))
			y += part + 1
		}
		size -= part + 1
	}
	if beside {
		return at + "{" + strings.Join(parts, ",") + "}"
	}
	return at + "[" + strings.Join(parts, ",") + "]"
}

// TestLayoutsAreRead: every layout that could be one is taken, with its size,
// and none with a byte changed.
func TestLayoutsAreRead(t *testing.T) {
	for range 2000 {
		w, h := 1+rand.IntN(300), 1+rand.IntN(100)
		good := signed(randomLayout(w, h, 0, 0, 5))
		if b, problem := readLayout(good); problem != "" || b != (box{w, h}) {
			t.Fatalf("%s: %s, %v", good, problem, b)
		}
		i, c := rand.IntN(len(good)), byte(rand.IntN(256))
		bad := good[:i] + string([]byte{c}) + good[i+1:]
		if _, problem := readLayout(bad); problem == "" && !strings.EqualFold(bad, good) {
			t.Fatalf("%s: byte %d may be %q", good, i, c)
		}
		if _, problem := readLayout(good[:i]); problem == "" {
			t.Fatalf("%s may end at %d", good, i)
		}
	}
}

func TestLayoutsThatAreNone(t *testing.T) {
	for _, body := range []string{
		"", "x", "80x24", "80x24,0", "80x24,0,", "80x24,0,0,", "80x24,0,0,1,", "80x24,0,0,1 ", " 80x24,0,0,1", "80x24,0,0,1,2", "+80x24,0,0,1",
		"80x24,-1,0,1", "80x24,0,0,1{}", "80x24,0,0{}", "80x24,0,0[]", "80x24,0,0{80x24,0,0,1}", "80x24,0,0[80x24,0,0,1]", "80x24,0,0{",
		"80x24,0,0{40x24,0,0,1,39x24,41,0,2", "80x24,0,0{40x24,0,0,1,39x24,41,0,2]", "80x24,0,0{40x24,0,0,1,39x24,41,0,2}}",
		"80x24,0,0{40x24,0,0,1,39x24,41,0,2},", "80x24,0,0{40x24,0,0,1,,39x24,41,0,2}", "{", "[", "}", ",", "0x24,0,0,1", "80x0,0,0,1",
		"10001x24,0,0,1", "80x24,0,10001,1", "4294967376x24,0,0,1", "80x24,0,0,1<10x10,0,0,2>", "80X24,0,0,1", "٨x24,0,0,1",
		strings.Repeat("9x9,0,0{", 2000), strings.Repeat("9x9,0,0{9x9,0,0,1,", 2000),
	} {
		if _, problem := readLayout(signed(body)); problem != invalidLayout {
			t.Errorf("%.80q: %q", body, problem)
		}
	}
	for _, body := range []string{
		"80x24,0,0{40x24,0,0,1,39x23,41,0,2}", "80x24,0,0[80x12,0,0,1,79x11,0,13,2]",
		"80x24,0,0{40x24,0,0[40x12,0,0,1,40x12,0,13,2],39x24,41,0,3}", "80x24,0,0[80x12,0,0{40x12,0,0,1,40x12,41,0,2},80x11,0,13,3]",
	} {
		if _, problem := readLayout(signed(body)); problem != "size mismatch after applying layout" {
			t.Errorf("%q: %q", body, problem)
		}
	}
	for _, text := range []string{"", "x", "b25d", "b25d,", "tiled,", "0x1f,80x24,0,0,1", " b25d,80x24,0,0,0", "b25d,80x24,0,0,0\n"} {
		if _, problem := readLayout(text); problem != invalidLayout {
			t.Errorf("%q: %q", text, problem)
		}
	}
}

func TestCheckLayout(t *testing.T) {
	good := signed("80x24,0,0,1")
	for _, c := range []struct {
		version string
		args    []string
		want    string
	}{
		{"3.3a", nil, ""}, {"3.3a", []string{"-o"}, ""}, {"3.3a", []string{"tiled"}, ""}, {"3.3a", []string{"t"}, ""},
		{"3.3a", []string{"main-h"}, ""}, {"3.3a", []string{"main-v"}, ""}, {"3.3a", []string{good}, ""}, {"3.3a", []string{"-o", good}, ""},
		{"3.3a", []string{"-n", "nosuch"}, ""}, {"3.3a", []string{"-E", ""}, ""},
		{"3.3a", []string{"nosuch"}, "invalid layout: nosuch"}, {"3.3a", []string{""}, "invalid layout: "},
		{"3.3a", []string{"even"}, "invalid layout: even"}, {"3.3a", []string{"Tiled"}, "invalid layout: Tiled"},
		{"3.3a", []string{"tiled "}, "invalid layout: tiled "}, {"3.3a", []string{"-o", "tiled"}, "invalid layout: tiled"},
		{"3.3a", []string{"main-horizontal-mirrored"}, "invalid layout: main-horizontal-mirrored"},
		{"3.3a", []string{"\x1b]0;x"}, "invalid layout: ?]0;x"},
		{"3.2a", []string{"nosuch"}, "can't set layout: nosuch"}, {"3.2a", []string{"tiled"}, ""},
		{"3.5a", []string{"main-horizontal-mirrored"}, ""}, {"3.5a", []string{"main-horizontal"}, ""},
		{"3.7c", []string{"main-h"}, "invalid layout: main-h"}, {"3.7c", []string{"main-vertical-m"}, ""},
	} {
		got := ""
		inv := mustParse(t, append([]string{"select-layout", "-t", "x"}, c.args...)...)
		if err := inv.CheckLayout(mustVersion(t, c.version)); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %q: %q, want %q", c.version, c.args, got, c.want)
		}
	}
}

// TestLayoutsOfTmux: what tmux itself writes is read, and what is read tmux
// takes.
func TestLayoutsOfTmux(t *testing.T) {
	srv := startServer(t)
	srv.run("set-option", "-g", "pane-border-status", "top")
	for _, split := range []string{"-h", "-v", "-fh", "-bfv", "-hb"} {
		srv.run("split-window", split, "-t", "start:0", "exec cat")
		for _, name := range []string{"even-horizontal", "even-vertical", "main-horizontal", "main-vertical", "tiled", "main-h", "ti", ""} {
			if name != "" {
				if !isArrangement(name, srv.v) {
					if isArrangement(name, v33a) && !srv.v.AtLeast(v35) {
						t.Errorf("%s is no layout", name)
					}
					continue
				}
				srv.run("select-layout", "-t", "start:0", name)
			}
			srv.run("resize-pane", "-t", "start:0.0", "-x", "9", "-y", "5")
			layout := srv.run("display-message", "-p", "-t", "start:0", "#{window_layout}")
			if _, problem := readLayout(layout); problem != "" {
				t.Errorf("%s: %s", layout, problem)
			}
			srv.run("select-layout", "-t", "start:0", layout)
		}
	}
}
