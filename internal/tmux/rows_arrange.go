package tmux

// Why guests are not given what moves windows.
const byIndexes = "rights go by the indexes of windows, so only who holds every verb on the server moves them"

// moveRows take a window or pane from one place (-s) to another (-t). Both
// are resolved to ids, and verbs are needed on both.
func moveRows() []*Command {
	windowFrom := Flag{Letter: 's', Kind: TargetValue}
	moveWindow := func(name, alias, usage, letters string) *Command {
		return &Command{
			Name: name, Alias: alias, Usage: usage, shares: true,
			Flags: rowFlags([]Flag{
				windowFrom, targetAny,
				{Letter: 'k', Needs: need(verbCloseWindow, OnWindow)},
			}, bare(letters)),
			Target: Lookup{TargetWindow, WindowIndex}, Source: Lookup{TargetWindow, 0},
			Needs:    []Need{{verbLayout, OnSource, ""}, {verbLayout, OnSourceWindow, ""}, {verbLayout, OnSession, ""}},
			Withheld: byIndexes,
		}
	}
	joinPane := func(name, alias string) *Command {
		return &Command{
			Name: name, Alias: alias, Usage: "[-bdfhv] [-l size] [-s src-pane] [-t dst-pane]",
			Flags: rowFlags([]Flag{
				windowFrom, targetAny,
				{Letter: 'l', Kind: Percent}, {Letter: 'p', Kind: Number},
			}, bare("bdfhv")),
			Target: Lookup{TargetPane, 0}, Source: Lookup{TargetPane, DefaultMarked},
			Needs: []Need{{verbLayout, OnSourceWindow, ""}, {verbLayout, OnWindow, ""}},
		}
	}
	return []*Command{
		{
			Name: "break-pane", Alias: "breakp", shares: true,
			Usage: "[-abdP] [-F format] [-n window-name] [-s src-pane] [-t dst-window]",
			Flags: rowFlags([]Flag{
				outFormat, {Letter: 'n', Kind: NewName}, windowFrom, targetAny,
			}, bare("abdP")),
			Target: Lookup{TargetWindow, WindowIndex}, Source: Lookup{TargetPane, 0},
			Needs:    []Need{{verbLayout, OnSourceWindow, ""}, {verbLayout, OnSession, ""}},
			Withheld: byIndexes,
		},
		joinPane("join-pane", "joinp"),
		joinPane("move-pane", "movep"),
		moveWindow("link-window", "linkw", "[-abdk] [-s src-window] [-t dst-window]", "abd"),
		moveWindow("move-window", "movew", "[-abdkr] [-s src-window] [-t dst-window]", "abdr"),
		{
			Name: "swap-window", Alias: "swapw", Usage: "[-d] [-s src-window] [-t dst-window]", shares: true,
			Flags:  []Flag{{Letter: 'd'}, windowFrom, targetAny},
			Target: Lookup{TargetWindow, 0}, Source: Lookup{TargetWindow, DefaultMarked},
			Needs:    []Need{{verbLayout, OnSource, ""}, {verbLayout, OnSession, ""}},
			Withheld: byIndexes,
		},
		{
			Name: "swap-pane", Alias: "swapp", Usage: "[-dDUZ] [-s src-pane] [-t dst-pane]",
			Flags:  rowFlags([]Flag{windowFrom, targetAny, zoomFlag}, bare("dDU")),
			Target: Lookup{TargetPane, 0}, Source: Lookup{TargetPane, DefaultMarked},
			Needs: []Need{{verbLayout, OnSourceWindow, ""}, {verbLayout, OnWindow, ""}},
		},
		{
			// What closes with it is added by Closing.
			Name: "unlink-window", Alias: "unlinkw", Usage: "[-k] [-t target-window]", shares: true,
			Flags:  []Flag{{Letter: 'k'}, targetAny},
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnSession),
			Withheld: "rights go by all the ways to a window, so only who holds every verb on the server takes one away",
		},
	}
}

// sizeRows change how a window is divided, and how large it is. The verb
// resize is another matter: it lets a person's own terminal size windows.
func sizeRows() []*Command {
	layouts := func(name, alias string) *Command {
		return &Command{
			Name: name, Alias: alias, Usage: "[-t target-window]", Flags: []Flag{targetAny},
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnWindow),
		}
	}
	return []*Command{
		layouts("next-layout", "nextl"),
		layouts("previous-layout", "prevl"),
		{
			Name: "rotate-window", Alias: "rotatew", Usage: "[-DUZ] [-t target-window]",
			Flags:  rowFlags([]Flag{targetAny, zoomFlag}, bare("DU")),
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnWindow),
		},
		{
			Name: "resize-pane", Alias: "resizep",
			Usage: "[-DLMRTUZ] [-x width] [-y height] [-t target-pane] [adjustment]",
			Flags: rowFlags([]Flag{
				{Letter: 'x', Kind: Percent}, {Letter: 'y', Kind: Percent}, targetAny, zoomFlag,
				{Letter: 'T', Needs: need(verbConfigure, OnPane)}, // what is below the cursor is lost
			}, bare("DLMRU")),
			Args: Number, MaxArgs: 1,
			Target: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnWindow),
		},
		{
			Name: "resize-window", Alias: "resizew",
			Usage: "[-aADLRU] [-x width] [-y height] [-t target-window] [adjustment]",
			Flags: rowFlags([]Flag{
				{Letter: 'x', Kind: Number, Max: guestColumns}, {Letter: 'y', Kind: Number, Max: guestRows}, targetAny,
				{Letter: 'D', Withheld: absoluteSize}, {Letter: 'R', Withheld: absoluteSize},
			}, bare("aALU")),
			Args: Number, MaxArgs: 1,
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnWindow),
		},
	}
}

// absoluteSize: growing a window by so much could be repeated without end.
const absoluteSize = "give the size with -x and -y"

// respawnRows run a program in place of one that has ended, or with -k in
// place of one that runs.
func respawnRows() []*Command {
	row := func(name, alias, target string, kind TargetKind, kill []Need) *Command {
		return &Command{
			Name: name, Alias: alias,
			Usage: "[-k] [-c start-directory] [-e environment] [-t " + target + "] [shell-command]",
			Flags: []Flag{startDir, envFlag, {Letter: 'k', Needs: kill}, targetAny},
			Args:  ShellArgs, MaxArgs: -1,
			Target: Lookup{kind, 0}, extra: spawnNeeds(OnWindow),
		}
	}
	return []*Command{
		row("respawn-pane", "respawnp", "target-pane", TargetPane, need(verbClosePane, OnPane)),
		row("respawn-window", "respawnw", "target-window", TargetWindow, need(verbCloseWindow, OnWindow)),
		newPaneRow(),
	}
}

// newPaneRow is split-window for panes that may float above the others.
func newPaneRow() *Command {
	row := splitWindowRow()
	row.Name, row.Alias = "new-pane", "newp"
	row.Usage = "[-bdefhIklPvZ] [-c start-directory] [-e environment] [-F format] [-l size] [-m message] [-p percentage] " +
		"[-s style] [-S active-border-style] [-R inactive-border-style] [-x width] [-y height] [-X x-position] [-Y y-position] " +
		"[-t target-pane] [shell-command [argument ...]]"
	row.Flags = append(row.Flags,
		Flag{Letter: 'x', Kind: Percent}, Flag{Letter: 'y', Kind: Percent},
		Flag{Letter: 'X', Kind: Percent}, Flag{Letter: 'Y', Kind: Percent}, Flag{Letter: 'L'})
	return row
}
