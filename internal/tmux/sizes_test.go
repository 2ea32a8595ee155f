package tmux

import "testing"

// Sizes above the most are refused wherever a command gives them, and only there:
// what tmux refuses by itself keeps its words, and sizes of screens pass.
func TestSizesAreBounded(t *testing.T) {
	w := &Window{Width: 80, Height: 24}
	for line, ok := range map[string]bool{
		"new-session -d -x 2000 -y 1000": true, "new-session -d -x 2001": false, "new-session -d -y 1001": false, "new-session -x +2001": false,
		"new-session -d -x ' 2001'": false, "new-session -d -x 70000": true, "new-session -d -x -": true, "new-session -d -x 9x": true,
		"resize-window -x 800 -y 600": true, "resize-window -x 2001": false, "resize-window -y 99999": true, "resize-window -R 1920": true,
		"resize-window -R 1921": false, "resize-window -D 977": false, "resize-window -D": true, "resize-window -L 9000": true, "resize-window -R x": true,
		"refresh-client -C 200x50": true, "refresh-client -C 200,50": true, "refresh-client -C 2001x50": false, "refresh-client -C 50,1001": false,
		"refresh-client -C @1:2001x50": false, "refresh-client -C @1:": true, "refresh-client -C 5": true, "refresh-client -C 4294967376x24": false,
		"refresh-client -C 80x24 -C 2001x24": false, "refresh-client 9000": true,
		"set -g default-size 800x600": true, "set -g default-size 2001x24": false, "setw default-si 80x1001": false, "set -g default-shell 9000x9000": true,
		"if-shell true 'resize-window -x 2001'": false, "if-shell true { rename-window a ; if-shell true { resizew -y 1001 } }": false,
		"bind-key x resize-window -x 2001": false, "bind-key x resize-window -x 200": true, "set-hook -g client-attached 'new -x 2001'": false,
		"rename-window 9000x9000": true, "select-layout b9ad,5000x24,0,0,0": true, // see CheckLayout
	} {
		text, err := ParseText(line, ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := text.Commands[0].CheckSizes(w, ParseOptions{}); (err == nil) != ok {
			t.Errorf("%s: %v", line, err)
		}
	}
}
