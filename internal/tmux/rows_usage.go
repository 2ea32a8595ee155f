package tmux

// usageOf is how one version, and those after it, print the synopsis of a command.
type usageOf struct {
	since Version
	text  string
}

// UsageIn is the synopsis of a command as a version prints it.
func (c *Command) UsageIn(v Version) string {
	text := c.Usage
	for _, u := range usagesOf(c.Name) {
		if v.AtLeast(u.since) {
			text = u.text
		}
	}
	return text
}

// usagesOf are the synopses that other versions than the reference print, oldest first.
func usagesOf(name string) []usageOf {
	if before, ok := usagesBefore()[name]; ok {
		return append([]usageOf{{v32a, before}, {v33, FindCommand(name).Usage}}, usagesSince()[name]...)
	}
	return usagesSince()[name]
}

// usagesBefore are those of 3.2a, as far as 3.3 prints others.
func usagesBefore() map[string]string {
	return map[string]string{
		"command-prompt": "[-1kiNTW] [-I inputs] [-p prompts] [-t target-client] [template]",
		"confirm-before": "[-p prompt] [-t target-client] command",
		"display-popup":  "[-CE] [-c target-client] [-d start-directory] [-h height] [-t target-pane] [-w width] [-x position] [-y position] [command]",
		"new-session":    "[-AdDEPX] [-c start-directory] [-e environment] [-F format] [-f flags] [-n window-name] [-s session-name] [-t target-session] [-x width] [-y height] [command]",
		"new-window":     "[-abdkPS] [-c start-directory] [-e environment] [-F format] [-n window-name] [-t target-window] [command]",
		"pipe-pane":      "[-IOo] [-t target-pane] [command]",
		"respawn-pane":   "[-k] [-c start-directory] [-e environment] [-t target-pane] [command]",
		"respawn-window": "[-k] [-c start-directory] [-e environment] [-t target-window] [command]",
		"split-window":   "[-bdefhIPvZ] [-c start-directory] [-e environment] [-F format] [-l size] [-t target-pane] [command]",
	}
}

// usagesSince are those of versions after 3.3a.
func usagesSince() map[string][]usageOf {
	return map[string][]usageOf{
		"bind-key":             {{v36, "[-nr] [-T key-table] [-N note] key [command [argument ...]]"}},
		"capture-pane":         {{v34, "[-aCeJNpPqT] [-b buffer-name] [-E end-line] [-S start-line] [-t target-pane]"}, {v36, "[-aCeJMNpPqT] [-b buffer-name] [-E end-line] [-S start-line] [-t target-pane]"}, {v37, "[-aCeFHJLMNpPqT] [-b buffer-name] [-E end-line] [-S start-line] [-t target-pane]"}},
		"clear-history":        {{v34, "[-H] [-t target-pane]"}},
		"clear-prompt-history": {{v36, "[-T prompt-type]"}},
		"command-prompt":       {{v36, "[-1bFkliN] [-I inputs] [-p prompts] [-t target-client] [-T prompt-type] [template]"}, {v37, "[-1CbeFiklN] [-I inputs] [-p prompts] [-t target-client] [-T prompt-type] [template]"}},
		"confirm-before":       {{v34, "[-by] [-c confirm_key] [-p prompt] [-t target-client] command"}, {v36, "[-by] [-c confirm-key] [-p prompt] [-t target-client] command"}},
		"copy-mode":            {{v35, "[-deHMuq] [-s src-pane] [-t target-pane]"}, {v36, "[-deHMqSu] [-s src-pane] [-t target-pane]"}},
		"display-menu":         {{v34, "[-O] [-b border-lines] [-c target-client] [-C starting-choice] [-H selected-style] [-s style] [-S border-style] [-t target-pane][-T title] [-x position] [-y position] name key command ..."}, {v35, "[-MO] [-b border-lines] [-c target-client] [-C starting-choice] [-H selected-style] [-s style] [-S border-style] [-t target-pane][-T title] [-x position] [-y position] name key command ..."}, {v36, "[-MO] [-b border-lines] [-c target-client] [-C starting-choice] [-H selected-style] [-s style] [-S border-style] [-t target-pane] [-T title] [-x position] [-y position] name [key] [command] ..."}},
		"display-message":      {{v34, "[-aIlNpv] [-c target-client] [-d delay] [-F format] [-t target-pane] [message]"}, {v36, "[-aCIlNpv] [-c target-client] [-d delay] [-F format] [-t target-pane] [message]"}},
		"display-popup":        {{v36, "[-BCEkN] [-b border-lines] [-c target-client] [-d start-directory] [-e environment] [-h height] [-s style] [-S border-style] [-t target-pane] [-T title] [-w width] [-x position] [-y position] [shell-command [argument ...]]"}},
		"kill-session":         {{v37, "[-aCg] [-t target-session]"}},
		"list-buffers":         {{v37, "[-F format] [-f filter] [-O order]"}},
		"list-clients":         {{v34, "[-F format] [-f filter] [-t target-session]"}, {v37, "[-F format] [-f filter] [-O order][-t target-session]"}},
		"list-keys":            {{v37, "[-1aNr] [-F format] [-O order] [-P prefix-string][-T key-table] [key]"}},
		"list-panes":           {{v37, "[-asr] [-F format] [-f filter] [-O order][-t target-window]"}},
		"list-sessions":        {{v37, "[-r] [-F format] [-f filter] [-O order]"}},
		"list-windows":         {{v37, "[-ar] [-F format] [-f filter] [-O order][-t target-session]"}},
		"new-session":          {{v36, "[-AdDEPX] [-c start-directory] [-e environment] [-F format] [-f flags] [-n window-name] [-s session-name] [-t target-session] [-x width] [-y height] [shell-command [argument ...]]"}},
		"new-window":           {{v36, "[-abdkPS] [-c start-directory] [-e environment] [-F format] [-n window-name] [-t target-window] [shell-command [argument ...]]"}},
		"paste-buffer":         {{v37, "[-dprS] [-s separator] [-b buffer-name] [-t target-pane]"}},
		"refresh-client":       {{v35, "[-cDlLRSU] [-A pane:state] [-B name:what:format] [-C XxY] [-f flags] [-r pane:report][-t target-client] [adjustment]"}, {v36, "[-cDlLRSU] [-A pane:state] [-B name:what:format] [-C XxY] [-f flags] [-r pane:report] [-t target-client] [adjustment]"}},
		"respawn-pane":         {{v36, "[-k] [-c start-directory] [-e environment] [-t target-pane] [shell-command [argument ...]]"}},
		"respawn-window":       {{v36, "[-k] [-c start-directory] [-e environment] [-t target-window] [shell-command [argument ...]]"}},
		"run-shell":            {{v34, "[-bC] [-c start-directory] [-d delay] [-t target-pane] [shell-command]"}, {v36, "[-bCE] [-c start-directory] [-d delay] [-t target-pane] [shell-command]"}, {v37, "[-bCE] [-c start-directory] [-d delay] [-t target-pane] [shell-command [argument ...]]"}},
		"send-keys":            {{v34, "[-FHKlMRX] [-c target-client] [-N repeat-count] [-t target-pane] key ..."}, {v36, "[-FHKlMRX] [-c target-client] [-N repeat-count] [-t target-pane] [key ...]"}},
		"set-buffer":           {{v36, "[-aw] [-b buffer-name] [-n new-buffer-name] [-t target-client] [data]"}},
		"set-environment":      {{v36, "[-Fhgru] [-t target-session] variable [value]"}},
		"show-environment":     {{v36, "[-hgs] [-t target-session] [variable]"}},
		"show-hooks":           {{v36, "[-gpw] [-t target-pane] [hook]"}},
		"show-prompt-history":  {{v36, "[-T prompt-type]"}},
		"source-file":          {{v34, "[-Fnqv] [-t target-pane] path ..."}},
		"split-window":         {{v36, "[-bdefhIPvZ] [-c start-directory] [-e environment] [-F format] [-l size] [-t target-pane] [shell-command [argument ...]]"}, {v37, "[-bdefhIklPvZ] [-c start-directory] [-e environment] [-F format] [-l size] [-m message] [-p percentage] [-s style] [-S active-border-style] [-R inactive-border-style] [-t target-pane] [shell-command [argument ...]]"}},
		"switch-client":        {{v37, "[-ElnprZ] [-c target-client] [-t target-session] [-T key-table] [-O order]"}},
	}
}
