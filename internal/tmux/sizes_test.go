package tmux

import (
	"strings"
	"testing"
)

// On somebody else's server a size is digits and no more than the most, wherever a
// command gives it; shares and sizes of panes stay what they are, and who makes a
// window grow says by that what it will measure.
func TestSizesAreBounded(t *testing.T) {
	const ok, large, odd = "", "larger than 2000x1000", "not a size"
	layout := signed("5000x24,0,0,0")
	for line, want := range map[string]string{
		"new-session -d -x 2000 -y 1000": ok, "new-session -d -x 2001": large, "new-session -d -y 1001": large, "new-session -x +2001": large,
		"new-session -d -x ' 2001'": odd, "new-session -d -x 70000": large, "new-session -d -x -": ok, "new-session -d -x 9x": odd,
		"resize-window -x 800 -y 600": ok, "resize-window -x 2001": large, "resize-window -y 99999": large,
		`resize-window -x "\f9000"`: odd, `resize-window -x "\n9000"`: odd, `resize-window -y "\r9000"`: odd, `resize-window -y "\v9000"`: odd,
		"resize-window -x 9000 -x 80": large, "resize-window -x -": odd, "resize-window -x ''": odd, "resize-window -x 4294967376": odd,
		"resize-window -R 1920": ok, "resize-window -R 1921": large, "resize-window -D 977": large, "resize-window -D": ok, "resize-window -L 9000": ok,
		"resize-window -R x": odd, "resize-window -R ' 9000'": odd, "resize-window -R -- -5": odd, "resize-window -R -x 1999 2": "stand alone",
		"resize-window -LR 9": "stand alone", "resize-window -RD 9": "stand alone", "resize-window -RA": "stand alone",
		"refresh-client -C 200x50": ok, "refresh-client -C 200,50": ok, "refresh-client -C 2001x50": large, "refresh-client -C 50,1001": large,
		"refresh-client -C @1:2001x50": large, "refresh-client -C @1:": ok, "refresh-client -C 5": "bad size", "refresh-client -C 4294967376x24": "bad size",
		"refresh-client -C -4294957296x24": "bad size", `refresh-client -C "\v9000x24"`: "bad size", "refresh-client -C 80x24 -C 2001x24": large, "refresh-client 9000": ok,
		"set -g default-size 800x600": ok, "set -g default-size 2001x24": large, "setw default-si 80x1001": large, "set -g default-shell 9000x9000": ok,
		"set -ag default-size 000": "give the whole", "set -gF default-size 80x24": "give the whole", "set -g default-size ' 80x24'": odd, "set -gu default-size": ok,
		"if-shell true 'resize-window -x 2001'": large, "if-shell true { rename-window a ; if-shell true { resizew -y 1001 } }": large,
		"if-shell -F 1 'resize-window -R 9000'": "use -x and -y here", "if-shell -F 1 { resizew -D }": "use -x and -y here", "if-shell true { resizew -L 2 }": ok,
		"bind-key x resize-window -x 2001": large, "bind-key x resize-window -x 200": ok, "set-hook -g client-attached 'new -x 2001'": large,
		"rename-window 9000x9000": ok, "select-layout " + layout: large, "if-shell true { select-layout " + layout + " }": large, "select-layout tiled": ok,
		"resize-pane -x 50%": ok, "split-window -l 50%": ok, "resize-pane -x 9000": ok,
	} {
		text, err := ParseText(line, ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got := text.Commands[0].BoundSizes(&Window{Width: 80, Height: 24}, ParseOptions{})
		if (got == nil) != (want == ok) || got != nil && !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", line, got, want)
		}
	}
}

// Two that make a window grow at once, by what each saw of it, do not make it grow
// twice.
func TestGrowthIsASize(t *testing.T) {
	for line, want := range map[string]string{
		"resize-window -R 1900": "resize-window -x 1980", "resize-window -D": "resize-window -y 25", "resize-window -L 5": "resize-window -L -- 5",
	} {
		text, err := ParseText(line, ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		inv := text.Commands[0]
		if err := inv.BoundSizes(&Window{Width: 80, Height: 24}, ParseOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(inv.Words(), " "); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// Sizes are counted where they are given at once: those in blocks and texts that
// run, by the names that the server reads, and not what is kept for later.
func TestSizesAreCounted(t *testing.T) {
	opts := ParseOptions{Aliases: []CommandAlias{{Name: "wide", Value: "resize-window -x 200"}}}
	for line, want := range map[string]int{
		"resizew -x 80": 1, "refresh-client -C 80x24 -C 90x24": 2, "refresh-client": 0, "rename-window x": 0,
		"if-shell -F 1 { resizew -x 80 ; resizew -x 81 }": 2, "if-shell -F 1 'resizew -x 80 ; wide' { if true { wide } }": 3,
		"run-shell -C 'resizew -x 80 ; resizew -x 90'": 2, "bind-key x { resizew ; resizew }": 0, "set-hook -g client-attached 'resizew'": 0,
	} {
		text, err := ParseText(line, opts)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := text.Commands[0].CountSizes(opts); got != want {
			t.Errorf("%s: %d, want %d", line, got, want)
		}
	}
}
