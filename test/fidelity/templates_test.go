package fidelity

// templatesOf gives the command lines of a row.
func templatesOf(row string) []string {
	if t := templates[row]; len(t) > 0 {
		return t
	}
	return further[row]
}

// further are templates, as in templates, for rows that a short run tries on
// fewer forms.
var further = map[string][]string{
	"bind-key":             {"bind-key -n x run-shell CANARY", "bind -T root W kill-server", "bind-key x"},
	"break-pane":           {"break-pane -d -s T -t work:", "break-pane -d -s work:1.1 -t T", "break-pane -P -F #{S:#{session_name}} -s T", "break-pane -d -n W -s T"},
	"choose-buffer":        {"choose-buffer -t T", "choose-buffer -F #{buffer_sample} -t T"},
	"choose-client":        {"choose-client -t T", "choose-client -t T detach-client"},
	"choose-tree":          {"choose-tree -t T", "choose-tree -s -f #(touch:CANARY) -t T", "choose-tree -t T run-shell"},
	"clear-history":        {"clear-history -t T"},
	"clear-prompt-history": {"clear-prompt-history", "clear-prompt-history -T command"},
	"clock-mode":           {"clock-mode -t T"},
	"command-prompt":       {"command-prompt -t T W", "command-prompt", "command-prompt -p #(>CANARY) -t T W"},
	"confirm-before":       {"confirm-before -t T kill-server", "confirm-before -p #(>CANARY) -t T kill-server", "confirm kill-server"},
	"copy-mode":            {"copy-mode -t T", "copy-mode -u -t T", "copy-mode -s T -t work:1.1", "copy-mode -q -t T"},
	"customize-mode":       {"customize-mode -t T", "customize-mode -f #(>CANARY) -t T"},
	"delete-buffer":        {"delete-buffer", "delete-buffer -b mark"},
	"display-menu":         {"display-menu -t T W x kill-server", "display-menu -c T -T #(>CANARY) W x kill-server"},
	"display-panes":        {"display-panes -t T", "display-panes -t T kill-pane", "display-panes"},
	"display-popup":        {"display-popup -t T touch CANARY", "display-popup -c T -E touch CANARY", "display-popup -C"},
	"find-window":          {"find-window -t T MARK", "find-window -t T #(>CANARY)"},
	"if-shell":             {"if-shell -t T true kill-server", "if-shell -F -t T #(>CANARY) kill-server", "if-shell touch${IFS}CANARY ls"},
	"join-pane":            {"join-pane -d -s T -t work:1.1", "join-pane -d -s work:1.1 -t T", "join-pane -dh -l #(>CANARY) -s T -t work:1.1"},
	"link-window":          {"link-window -d -s T -t work:", "link-window -d -s work:1 -t T", "link-window -k -s work:1 -t T", "link-window -a -s T -t work:"},
	"lock-client":          {"lock-client -t T", "lock-client"},
	"lock-server":          {"lock-server"},
	"lock-session":         {"lock-session -t T"},
	"move-pane":            {"move-pane -d -s T -t work:1.1", "move-pane -d -s work:1.1 -t T"},
	"move-window":          {"move-window -d -s T -t work:", "move-window -d -s work:1 -t T", "move-window -k -s work:1 -t T", "move-window -r -t T"},
	"new-pane":             {"new-pane -d", "new-pane -d -t work:1 touch CANARY"},
	"next-layout":          {"next-layout -t T"},
	"paste-buffer":         {"paste-buffer -t T", "paste-buffer -b mark -t T", "paste-buffer -d -b mark -s W -t T"},
	"pipe-pane":            {"pipe-pane -t T >>CANARY", "pipe-pane -t T", "pipe-pane -I -t T echo"},
	"previous-layout":      {"previous-layout -t T"},
	"refresh-client":       {"refresh-client -t T", "refresh-client -S -t T", "refresh-client -f !read-only -t T", "refresh-client -B x:%*:#(>CANARY) -t T", "refresh-client -l"},
	"resize-pane":          {"resize-pane -Z -t T", "resize-pane -x 5 -t T", "resize-pane -D -t T 3", "resize-pane -x #(>CANARY) -t T", "resize-pane -T -t T"},
	"resize-window":        {"resize-window -x 33 -t T", "resize-window -A -t T", "resize-window -L -t T 5", "resize-window -R -t T 5"},
	"respawn-pane":         {"respawn-pane -k -t T touch CANARY", "respawn-pane -t T", "respawn-pane -k -c #(>CANARY) -t T"},
	"respawn-window":       {"respawn-window -k -t T touch CANARY", "respawn-window -t T"},
	"rotate-window":        {"rotate-window -t T", "rotate-window -D -t T", "rotate-window -Z -t T"},
	"run-shell":            {"run-shell -t T touch${IFS}CANARY", "run-shell -b -t T >>CANARY", "run-shell -C -t T kill-server", "run-shell"},
	"save-buffer":          {"save-buffer -", "save-buffer -b mark -", "save-buffer -a -b mark CANARY", "save-buffer #(>CANARY)"},
	"send-prefix":          {"send-prefix -t T", "send-prefix -2 -t T"},
	"server-access":        {"server-access -l", "server-access -a W", "server-access -aw mwmallory"},
	"set-buffer":           {"set-buffer W", "set-buffer -b mark W", "set-buffer -a -b mark W", "set-buffer -n W -b mark"},
	"set-environment":      {"set-environment -t T W x", "set-environment -g W x", "set-environment -u -t T PATH", "set-environment -F -t T W #(>CANARY)"},
	"set-hook":             {"set-hook -t T pane-exited kill-server", "set-hook -g after-new-window W", "set-hook -R -t T #(>CANARY)"},
	"set-option":           {"set-option -t T mouse on", "set-option -g status-left #(>CANARY)", "set-option -p -t T #(>CANARY) x", "set-option -w -t T @mark W", "set-option -s exit-empty on", "set-option -F -t T @x #(>CANARY)"},
	"set-window-option":    {"set-window-option -t T mode-keys vi", "setw -g @mark W", "setw -F -t T @x #(>CANARY)"},
	"show-environment":     {"show-environment -t T", "show-environment -g", "show-environment -h -t T W"},
	"show-hooks":           {"show-hooks -t T", "show-hooks -g", "show-hooks -t T #(>CANARY)"},
	"show-messages":        {"show-messages", "show-messages -J", "show-messages -T -t T"},
	"show-options":         {"show-options -t T", "show-options -g", "show-options -s", "show-options -v -t T @mark", "show-options -t T #(>CANARY)"},
	"show-prompt-history":  {"show-prompt-history", "show-prompt-history -T command"},
	"show-window-options":  {"show-window-options -t T", "showw -g", "showw -v -t T @mark"},
	"source-file":          {"source-file /etc/passwd", "source-file -", "source-file -F #(>CANARY)", "source-file CANARY/*"},
	"start-server":         {"start-server"},
	"suspend-client":       {"suspend-client -t T", "suspend-client"},
	"swap-pane":            {"swap-pane -d -s T -t work:1.1", "swap-pane -d -s work:1.1 -t T", "swap-pane -D -t T", "swap-pane -s work:1.0 -t T"},
	"swap-window":          {"swap-window -d -s T -t work:1", "swap-window -d -s work:1 -t T"},
	"unbind-key":           {"unbind-key -a", "unbind-key -n W", "unbind -T copy-mode q"},
	"unlink-window":        {"unlink-window -t T", "unlink-window -k -t T"},
	"wait-for":             {"wait-for -S W", "wait-for -L W", "wait-for W"},
}
