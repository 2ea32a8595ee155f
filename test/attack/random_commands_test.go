package attack

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// anywhere is a target, of what is there and of what is not.
func (p *play) anywhere(r *rand.Rand) string {
	return any1(r, "shared", "shared:0", "shared:0.0", "shared:0.1", "shared:1", "shared:1.0", "shared:1.1", "room", "room:0", "room:0.0", "room:0.1",
		"room:1", "churn", "churn:0", "churn:1.0", "gone", "shared:9", "%"+strconv.Itoa(r.IntN(20)), "%"+strconv.Itoa(r.IntN(8)),
		"@"+strconv.Itoa(r.IntN(12)), "$"+strconv.Itoa(r.IntN(5)), ":+", ":.+", "!", "{last}", "{marked}", "{mouse}")
}

// command is a command line of a guest: one in three types a mark.
func (p *play) command(r *rand.Rand, g *guest) string {
	t, u := p.anywhere(r), p.anywhere(r)
	again := "respawn-pane -k -t room:0.1 '" + p.program(r.IntN(1000)) + "'"
	num := strconv.Itoa(any1(r, 0, 1, 2, 3, 5, 10, 23, 80, 200, 500, 9999))
	switch r.IntN(9) {
	case 0, 1:
		if g.pane != "" {
			return "send-keys -t mwalice/" + g.pane + " -l " + p.mark(g.letter)
		}
		fallthrough
	case 2:
		return "send-keys -t " + any1(r, t, "shared:0.0", "shared:1.0", "room:0.0") + " -l " + p.mark(g.letter)
	case 3, 4:
		return any1(r, "split-window -t "+t+" "+any1(r, "", "-h", "-b", "-f", "-l 1", "-l 90%", "-d")+" '"+p.program(r.IntN(1000))+"'",
			"split-window -t room:0 '"+p.program(r.IntN(1000))+"'", again,
			"new-window -t "+t+" '"+p.program(r.IntN(1000))+"'", "new-window -d '"+p.program(r.IntN(1000))+"'",
			"kill-pane -t room:0.1", "kill-pane -t room:0.2", "break-pane -d -s "+t, "join-pane -s "+t+" -t "+u, "move-pane -s "+t+" -t "+u,
			"swap-pane -s "+t+" -t "+u, "swap-pane -U -t "+t, "rotate-window -t "+t, "unlink-window -t "+t, "pipe-pane -t "+t)
	case 5:
		return any1(r, "resize-pane -t "+t+" "+any1(r, "-L", "-R", "-U", "-D", "-x", "-y")+" "+num, "resize-pane -Z -t "+t,
			"resize-window -t "+t+" -x "+num+" -y "+strconv.Itoa(1+r.IntN(100)), "resize-window -A -t "+t,
			"select-layout -t "+t+" "+any1(r, "even-horizontal", "even-vertical", "main-horizontal", "main-vertical", "tiled", "0000,500x500,0,0"),
			"select-layout -"+any1(r, "E", "n", "o", "p")+" -t "+t, "next-layout -t "+t, "previous-layout -t "+t,
			"refresh-client", "refresh-client -S", "refresh-client -C "+num+"x"+num, "refresh-client -L 10", "refresh-client -c")
	case 6:
		return any1(r, "select-pane -t "+t, "select-pane -m -t "+t, "select-pane -T title -t "+t, "select-pane -d -t "+t, "select-pane -e -t "+t,
			"select-window -t "+t, "next-window", "previous-window", "last-window", "last-pane", "switch-client -t "+t, "switch-client -n",
			"switch-client -T copy-mode", "switch-client -r", "detach-client", "suspend-client", "lock-client", "find-window foo",
			"rename-window -t "+t+" w"+strings.Repeat("é", r.IntN(30)))
	case 7:
		return any1(r, "copy-mode -t "+t, "copy-mode -u -t "+t, "clock-mode -t "+t, "copy-mode -q -t "+t, "choose-tree -t "+t, "choose-buffer -t "+t,
			"choose-client -t "+t, "display-panes -d 500 "+any1(r, "", "-N", "-b"), "command-prompt", "command-prompt -p a,b 'display-message %1'",
			"confirm-before next-window", "send-keys -t "+t+" "+any1(r, "Up", "F1", "C-a", "M-x", "q", "Enter", "C-c"),
			"send-keys -X -t "+t+" "+any1(r, "cancel", "page-up", "search-backward x", "begin-selection", "copy-selection", "goto-line 5",
				"history-top", "halfpage-down", "rectangle-toggle", "jump-forward a", "next-word"), "paste-buffer -t "+t, "paste-buffer -p -t "+t)
	default:
		return any1(r, "display-message -p -t "+t+" '#{pane_id} #{window_layout} #{S:#{W:#{P:#{pane_title}}}}'", "list-panes -a", "list-windows -a",
			"list-clients", "list-keys", "show-messages", "capture-pane -p -e -S - -t "+t, "list-buffers", "show-options -g", "show-hooks -g",
			"show-environment", "server-info", "wait-for -S x", "clear-history -t "+t, "if-shell -F '#{pane_in_mode}' 'next-window' 'select-pane -t :.+'")
	}
}

// randomLine is a line that only a control client says.
func randomLine(r *rand.Rand) string {
	return any1(r, "refresh-client -f no-output", "refresh-client -f pause-after=1", "refresh-client -A '%0:pause'", "refresh-client -A '%1:pause'",
		"refresh-client -A '%0:continue'", "refresh-client -A '%1:continue'", "refresh-client -A '%1:off'", "refresh-client -A '%1:on'",
		"refresh-client -B 'x:%*:#{pane_title}'", "refresh-client -C 10x5", "refresh-client -C 1000,1000", "refresh-client -f '!no-output'", "", "  ", "{",
		"display-message -p '"+strings.Repeat("y", 3000)+"'", "refresh-client -r '%0:\x1b]11;rgb:0000/0000/0000\x1b\\'")
}

// ownCommand is a command of the owner's. None of hers takes a guest's pane away; the one of the operator she starts again.
func (p *play) ownCommand(r *rand.Rand) string {
	noise, window := any1(r, append([]string{"churn:", "churn:1"}, p.noise...)...), any1(r, "shared:0", "shared:1", "room:0", "churn:")
	switch r.IntN(6) {
	case 0, 1:
		return any1(r, "respawn-pane -k -t "+noise+" '"+p.program(r.IntN(1000))+"'", "respawn-window -k -t room:1 '"+p.program(r.IntN(1000))+"'",
			"respawn-pane -k -t "+p.guests["M"].pane+" '"+p.guests["M"].rec.Command()+"'")
	case 2:
		return any1(r, "new-window -d -t churn: '"+p.program(r.IntN(1000))+"'", "kill-window -t churn:1", "kill-window -t churn:2", "split-window -d -t churn: '"+p.program(r.IntN(1000))+"'",
			"kill-pane -a -t churn:", "select-window -t "+window, "new-session -d -s more '"+p.program(r.IntN(1000))+"'", "kill-session -t more",
			"rename-session -t more other", "kill-session -t other", "link-window -k -s room:1 -t churn:7", "unlink-window -t churn:7")
	case 3:
		return any1(r, "resize-pane -t "+window+" "+any1(r, "-L", "-R", "-U", "-D")+" 3", "resize-pane -Z -t "+noise, "resize-window -t "+window+" -x 70 -y 20",
			"resize-window -A -t "+window, "select-layout -t "+window+" "+any1(r, "even-horizontal", "even-vertical", "tiled"), "next-layout -t "+window,
			"swap-pane -d -s shared:0.0 -t shared:0.1", "rotate-window -t room:0", "rename-window -t "+window+" w"+strconv.Itoa(r.IntN(9)))
	case 4:
		g := any1(r, "-g", "-t shared")
		return any1(r, "set-option "+g+" status "+any1(r, "off", "on", "2", "5"), "set-option "+g+" status-position "+any1(r, "top", "bottom"),
			"set-option -w -g window-size "+any1(r, "largest", "smallest", "latest"), "set-option -w -g aggressive-resize "+any1(r, "on", "off"),
			"set-option -w -g pane-border-status "+any1(r, "top", "bottom", "off"), "set-option "+g+" mouse "+any1(r, "on", "off"),
			"set-option -w -g mode-keys "+any1(r, "vi", "emacs"), "set-option -g prefix "+any1(r, "C-b", "C-b", "C-a"), "set-option -g prefix C-b",
			"set-option -s escape-time "+any1(r, "0", "10", "500"), "set-option -g display-time "+any1(r, "1", "100", "4000"), "set-option -w -g alternate-screen "+any1(r, "on", "off"))
	default:
		return any1(r, "list-panes -a", "list-clients", "display-message -p -t "+window+" '#{window_layout}'", "capture-pane -p -t "+noise, "clear-history -t "+noise,
			"copy-mode -t "+noise, "copy-mode -q -t "+noise, "clock-mode -t "+noise, "set-buffer hello", "send-keys -t "+noise+" -R", "refresh-client -S", "list-keys")
	}
}

// randomWords divides a command line as a shell would.
func randomWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
