package fidelity

import (
	"strings"

	"github.com/muxward/muxward/test/host"
)

// thing is a session with its window and pane, by every name it goes by. One
// is hidden from the person who asks, another one does not exist at all.
type thing struct {
	name, window       string // of the same length everywhere, so that answers can be compared
	session, win, pane string // ids
}

// hide puts placeholders in place of the thing's names, longest first.
func (x thing) hide(text string) string {
	return strings.NewReplacer(
		"["+x.name[:1]+"]"+x.name[1:], "<class>", x.name, "<name>", x.name[:3], "<prefix>", x.name[1:], "<rest>", x.window, "<window>",
		x.session, "<session>", x.win, "<win>", x.pane, "<pane>",
	).Replace(text)
}

// fill puts the thing's names into a form.
func (x thing) fill(form string) string {
	return strings.NewReplacer(
		"<name>", x.name, "<prefix>", x.name[:3], "<first>", x.name[:1], "<rest>", x.name[1:],
		"<window>", x.window, "<session>", x.session, "<win>", x.win, "<pane>", x.pane,
	).Replace(form)
}

// forms are all ways to name something on a server, to come after "owner/" or
// alone.
var forms = []string{
	"<name>", "=<name>", "<prefix>", "<prefix>*", "[<first>]<rest>", "?<rest>", "*<rest>",
	"<name>:", "=<name>:", "<name>:0", "<name>:<window>", "=<name>:=<window>", "<name>:<window>.0", "<name>:0.0",
	"<name>.0", "<name>:.", "<name>:^", "<name>:$", "<name>:+", "<name>:-", "<name>:!",
	"<name>:{last}", "<name>:{start}", "<name>:{end}", "<name>:{next}.{top}", "<name>:0.{last}", "<name>:0.{bottom-right}",
	"<name>:.<pane>", "<name>:0.<pane>", "<name>:<pane>", "<name>:<win>", "<name>:<win>.<pane>", "<name>:99",
	"<session>", "=<session>", "<session>:", "<session>:0", "<session>:<win>", "<session>:<win>.<pane>", "<session>:.<pane>",
	"<win>", "<win>.0", "<win>.<pane>", ":<win>", ":<win>.<pane>", "<pane>", ".<pane>", ":.<pane>",
	"<window>", ":<window>", ":=<window>.0", "==<name>", "=<name>=",
	// What may be seen, and in it what may not.
	"work:.<pane>", "work:1.<pane>", "work:<pane>", "work:<win>", "work:<window>", "work:1.<pane>:", "work:<win>.<pane>",
	"$0:<win>", "$0:.<pane>", "@1.<pane>", "%1:<name>", "<name>:@1", "<name>:.%1", "<name>:1.%2", "<name>:%2", "<session>:@1.%2",
}

// fixed are forms that name nothing hidden by themselves.
var fixed = []string{
	"", ":", ".", ":.", "=", "~", "{marked}", "{mouse}", "!", "+", "-", "{last}", "{next}", "{previous}", "^", "$", "@", "%",
	":!", ":+", ":-", ":{last}", ".!", ".+", ":0", ":2", ":0.0", "*", "?ork", "w*", "work", "=work", "wor", "work:", "work:0", "work:2",
	"work:1", "work:1.0", "work:1.1", "work:=shared", "work:edit", "work:private", "work:+", "work:-", "work:!", "work:^", "work:$",
	"$0", "$0:1", "@0", "@1", "@2", "%0", "%1", "%2", "%3", "$77", "@77", "$", "$-1", "@-1", "%-1", "%4294967295", "%99999999999999999999",
	"work:1.!", "work:1.+", "work:1.{left}", "@1.1", "work:1.%0", "work:0.%1", "work:@0", "work:1.1;", "work\x1b", "work\n", "wörk",
}

// owner comes before a form; oddOwners are what is none.
const owner = host.Alice + "/"

var oddOwners = []string{"mwalice//", "mwalice/mwalice/", "=mwalice/", "./mwalice/", "../mwalice/", "mwalice%2f", "MWALICE/", "mwbob/", "mwnobody/", "mwalice:"}

// templates are command lines for each row of the command table; T is the
// target, W the person's own word. Of a row with several, the first is run on
// every form and the others take turns, unless all is asked for.
var templates = map[string][]string{
	"attach-session":  {"attach -t T", "attach -d -t T", "attach -r -t T", "attach -x -c / -t T"},
	"new-session":     {"new-session -d -t T", "new-session -A -D -s T", "new-session -d -s T W", "new-session -t T -f ignore-size"},
	"has-session":     {"has-session -t T"},
	"switch-client":   {"switch-client -t T", "switch-client -c T -n", "switch-client -Z -t T", "switch-client -c /dev/pts/0 -t T"},
	"detach-client":   {"detach-client -s T", "detach-client -t T", "detach-client -a -s T", "detach-client -P -s T", "detach-client -E W -s T"},
	"rename-session":  {"rename-session -t T W", "rename-session -t T #{session_name}"},
	"list-sessions":   {"ls", "list-sessions -F #S:#{session_windows}:#{session_group}", "ls -f #{m:*,#{session_name}}", "ls -F #{S:#{session_name}}"},
	"list-windows":    {"list-windows -t T", "list-windows -a", "lsw -t T -F #W#{window_layout}", "lsw -a -F #{W:#{window_name}}"},
	"list-panes":      {"list-panes -t T", "list-panes -a", "list-panes -s -t T", "lsp -t T -F #T#{pane_current_path}", "lsp -a -f #{C:MARK}"},
	"list-clients":    {"list-clients -t T", "list-clients", "lsc -t T -F #{client_session}"},
	"list-buffers":    {"list-buffers", "lsb -F #{buffer_sample}"},
	"list-commands":   {"list-commands", "lscm -F #{S:#{session_name}}"},
	"list-keys":       {"list-keys", "list-keys -T root", "list-keys -N -P W"},
	"display-message": {"display-message -p -t T", "display -p -t T #S:#I.#P:#W:#T", "display -p -t T #{S:#{session_name}}#{buffer_sample}", "display -t T W", "display -p -t T #(touch${IFS}CANARY)", "display -p -c T W", "display -a -p -t T", "display -v -p -t T W", "display -p -I -t T", "display -p -t T #{E:window_name}#{T:pane_title}#{C:MARK}"},
	"kill-pane":       {"kill-pane -t T", "kill-pane -a -t T"},
	"kill-window":     {"kill-window -t T", "kill-window -a -t T"},
	"kill-session":    {"kill-session -t T", "kill-session -a -t T", "kill-session -C -t T"},
	"kill-server":     {"kill-server"},
	"select-pane":     {"select-pane -t T", "select-pane -d -t T", "select-pane -m -t T", "select-pane -T W -t T", "select-pane -l -t T", "select-pane -P bg=red#(>CANARY) -t T", "select-pane -Z -t T", "select-pane -M"},
	"last-pane":       {"last-pane -t T", "last-pane -d -t T", "last-pane -Z -t T"},
	"select-window":   {"select-window -t T", "select-window -n -t T", "select-window -T -t T"},
	"next-window":     {"next-window -t T", "next-window -a -t T"},
	"previous-window": {"previous-window -t T", "previous-window -a -t T"},
	"last-window":     {"last-window -t T"},
	"select-layout":   {"select-layout -t T tiled", "select-layout -n -t T", "select-layout -E -t T", "select-layout -o -t T", "select-layout -t T W"},
	"rename-window":   {"rename-window -t T W", "rename-window -t T #(>CANARY)"},
	"new-window":      {"new-window -d -t T", "new-window -d -k -t T touch CANARY", "new-window -d -a -t T -n W", "new-window -S -t T -n W", "new-window -d -t T -e X=W -c #(touch${IFS}CANARY)", "neww -dP -t T -F #{S:#{session_name}}"},
	"split-window":    {"split-window -d -t T", "split-window -d -t T touch CANARY", "split-window -I -t T", "split-window -Zh -t T -e X=W", "split-window -d -l #(>CANARY) -t T", "splitw -dP -t T -F #{S:#{session_name}}"},
	"send-keys":       {"send-keys -t T W", "send-keys -l -t T W", "send-keys -H -t T 57", "send-keys -X -t T cancel", "send-keys -R -t T", "send-keys -F -t T #(touch${IFS}CANARY)", "send-keys -N 3 -t T W", "send-keys -M -t T", "send-keys -X -t T copy-pipe touch CANARY", "send-keys -t T W; run-shell touch CANARY"},
	"capture-pane":    {"capture-pane -p -t T", "capture-pane -b W -t T", "capture-pane -t T", "capture-pane -pe -S - -t T", "capture-pane -pP -t T", "capture-pane -p -S #(>CANARY) -t T"},
	"load-buffer":     {"load-buffer /etc/passwd", "load-buffer -b W /etc/passwd", "load-buffer -w -t T /etc/passwd", "load-buffer #(touch${IFS}CANARY)"},
	"show-buffer":     {"show-buffer", "show-buffer -b mark"},
}
