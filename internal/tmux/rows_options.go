package tmux

import (
	"slices"
	"strings"
)

// optionRows read and change options, hooks, key bindings and environments.
// All of them count for everybody on a server, whatever -t names: so they are
// needed on the server.
func optionRows() []*Command {
	onServer := need(verbConfigure, OnServer)
	return []*Command{
		{
			Name: "set-option", Alias: "set", Usage: "[-aFgopqsuUw] [-t target-pane] option [value]",
			Flags: rowFlags([]Flag{targetAny, {Letter: 'F', Needs: need(verbExecute, OnServer)}}, bare("agopqsuUw")),
			First: OptionName, Args: Content, MinArgs: 1, MaxArgs: 2,
			Target: Lookup{TargetPane, CanFail}, Needs: onServer, extra: optionNeeds,
		},
		{
			Name: "set-window-option", Alias: "setw", Usage: "[-aFgoqu] [-t target-window] option [value]",
			Flags: rowFlags([]Flag{targetAny, {Letter: 'F', Needs: need(verbExecute, OnServer)}}, bare("agoqu")),
			First: OptionName, Args: Content, MinArgs: 1, MaxArgs: 2,
			Target: Lookup{TargetWindow, CanFail}, Needs: onServer, extra: optionNeeds,
		},
		{
			Name: "set-hook", Usage: "[-agpRuw] [-t target-pane] hook [command]",
			Flags: rowFlags([]Flag{targetAny}, bare("agpRuw")),
			First: OptionName, Args: NestedCommands, MinArgs: 1, MaxArgs: 2,
			Target: Lookup{TargetPane, CanFail}, Needs: runsAnything,
		},
		{
			Name: "set-environment", Alias: "setenv", Usage: "[-Fhgru] [-t target-session] name [value]",
			Flags: rowFlags([]Flag{targetSession, {Letter: 'F', Needs: need(verbExecute, OnServer)}}, bare("hgru")),
			First: Word, Args: Content, MinArgs: 1, MaxArgs: 2,
			Target: Lookup{TargetSession, CanFail}, Needs: environmentNeeds,
		},
		{
			Name: "show-options", Alias: "show", Usage: "[-AgHpqsvw] [-t target-pane] [option]",
			Flags: rowFlags([]Flag{targetAny}, bare("AgHpqsvw")),
			Args:  OptionName, MaxArgs: 1,
			Target: Lookup{TargetPane, CanFail}, Needs: onServer,
		},
		{
			Name: "show-window-options", Alias: "showw", Usage: "[-gv] [-t target-window] [option]",
			Flags: rowFlags([]Flag{targetAny}, bare("gv")),
			Args:  OptionName, MaxArgs: 1,
			Target: Lookup{TargetWindow, CanFail}, Needs: onServer,
		},
		{
			Name: "show-hooks", Usage: "[-gpw] [-t target-pane]",
			Flags: rowFlags([]Flag{targetAny}, bare("gpw")),
			Args:  OptionName, MaxArgs: 1,
			Target: Lookup{TargetPane, CanFail}, Needs: onServer,
		},
		{
			// Environments hold secrets.
			Name: "show-environment", Alias: "showenv", Usage: "[-hgs] [-t target-session] [name]",
			Flags: rowFlags([]Flag{targetSession}, bare("hgs")),
			Args:  Word, MaxArgs: 1,
			Target: Lookup{TargetSession, CanFail}, Needs: onServer,
		},
		{
			Name: "bind-key", Alias: "bind", Usage: "[-nr] [-T key-table] [-N note] key [command [arguments]]",
			Flags: rowFlags([]Flag{{Letter: 'N', Kind: Content}, {Letter: 'T', Kind: KeyTable}}, bare("nr")),
			First: Keys, Args: NestedCommands, MinArgs: 1, MaxArgs: -1,
			Needs: runsAnything,
		},
		{
			Name: "unbind-key", Alias: "unbind", Usage: "[-anq] [-T key-table] key",
			Flags: rowFlags([]Flag{{Letter: 'T', Kind: KeyTable}}, bare("anq")),
			Args:  Keys, MaxArgs: 1,
			Needs: onServer,
		},
	}
}

// plainOptions are the options whose value is a number, a choice or a switch,
// so that nothing of it is ever run or read again. Of all others it cannot be
// said what they may come to: a command, a format, a path or a list.
func plainOptions() []string {
	return []string{
		"activity-action", "aggressive-resize", "allow-rename", "alternate-screen", "assume-paste-time",
		"automatic-rename", "base-index", "bell-action", "buffer-limit", "clock-mode-style", "destroy-unattached",
		"detach-on-destroy", "display-panes-time", "display-time", "escape-time", "exit-empty", "exit-unattached",
		"extended-keys", "focus-events", "history-limit", "initial-repeat-time", "lock-after-time", "main-pane-height",
		"main-pane-width", "message-limit", "mode-keys", "monitor-activity", "monitor-bell", "monitor-silence", "mouse",
		"other-pane-height", "other-pane-width", "pane-base-index", "pane-border-indicators", "pane-border-lines",
		"pane-border-status", "popup-border-lines", "prompt-history-limit", "remain-on-exit", "renumber-windows",
		"repeat-time", "scroll-on-clear", "set-titles", "silence-action", "status", "status-interval", "status-justify",
		"status-keys", "status-left-length", "status-position", "status-right-length", "synchronize-panes",
		"visual-activity", "visual-bell", "visual-silence", "window-size", "wrap-search", "xterm-keys",
	}
}

// optionNeeds: to set an option that may come to run a shell takes the right
// to run one, and an option that has tmux close sessions or lock displays takes
// the right to that. Taking a value away leaves the one that was there before.
func optionNeeds(inv *Invocation) []Need {
	name, value := inv.Args[0], ""
	if len(inv.Args) > 1 {
		value = inv.Args[1]
	}
	if !slices.Contains(plainOptions(), name) || strings.Trim(value, letters+"0123456789-") != "" {
		return need(verbExecute, OnServer)
	}
	switch name {
	case "destroy-unattached", "exit-empty", "exit-unattached":
		return need(verbCloseSession, OnServer)
	case "lock-after-time":
		return need(verbDetachOthers, OnServer)
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
