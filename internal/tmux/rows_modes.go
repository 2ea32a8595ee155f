package tmux

// Why guests are not given commands that tmux carries out at a display.
const (
	ownKeys     = "your display takes no keys itself, so only who holds every verb on the server is asked at it"
	wholeServer = "it lists or finds more than its pane, so it is for who holds every verb on the server"
)

// runsAnything are the verbs for commands that are read and run by tmux later,
// with nobody's rights: what they do cannot be said beforehand.
var runsAnything = []Need{{verbConfigure, OnServer, ""}, {verbExecute, OnServer, ""}}

// modeRows put a pane into a mode, which everybody sees who looks at it, and
// which holds up whoever types there.
func modeRows() []*Command {
	return []*Command{
		{
			// The history of a pane cannot be brought back, and other people
			// go by it: that is more than arranging.
			Name: "clear-history", Alias: "clearhist", Usage: "[-t target-pane]",
			Flags:  []Flag{{Letter: 'H', Since: v34}, targetAny},
			Target: Lookup{TargetPane, 0}, Needs: need(verbConfigure, OnPane),
		},
		{
			Name: "clock-mode", Usage: "[-t target-pane]", Flags: []Flag{targetAny},
			Target: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnPane),
		},
		{
			Name: "copy-mode", Usage: "[-eHMuq] [-s src-pane] [-t target-pane]",
			Flags: rowFlags([]Flag{
				// The text of another pane is shown in this one.
				{Letter: 's', Kind: TargetValue, Needs: need(verbCopy, OnSourcePane)},
				{Letter: 'd', Since: v35}, {Letter: 'S', Since: v36}, targetAny,
			}, bare("eHMuq")),
			Target: Lookup{TargetPane, 0}, Source: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnPane),
		},
		chooseRow("choose-buffer", "[-NrZ]", "NrZ"),
		chooseRow("choose-client", "[-NrZ]", "NrZ"),
		chooseRow("choose-tree", "[-GNrswZ]", "GNrswZ"),
		{
			Name: "customize-mode", Usage: "[-NZ] [-F format] [-f filter] [-t target-pane]",
			Flags:  rowFlags([]Flag{outFormat, rowFilter, targetAny, {Letter: 'y', Since: v36}}, bare("NZ")),
			Target: Lookup{TargetPane, 0}, Needs: need(verbConfigure, OnServer),
			Withheld: wholeServer,
		},
		{
			Name: "find-window", Alias: "findw", Usage: "[-CiNrTZ] [-t target-pane] match-string",
			Flags: rowFlags([]Flag{targetAny}, bare("CiNrTZ")),
			Args:  FormatValue, MinArgs: 1, MaxArgs: 1,
			Target: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnPane),
			Withheld: wholeServer,
		},
	}
}

// chooseRow is a command by which somebody chooses among all there is, and
// has a command run on it.
func chooseRow(name, bareUsage, letters string) *Command {
	return &Command{
		Name:  name,
		Usage: bareUsage + " [-F format] [-f filter] [-K key-format] [-O sort-order] [-t target-pane] [template]",
		Flags: rowFlags([]Flag{
			outFormat, rowFilter, targetAny,
			{Letter: 'K', Kind: FormatValue}, {Letter: 'O', Kind: Word}, {Letter: 'y', Since: v36},
		}, bare(letters)),
		Args: NestedCommands, MaxArgs: 1,
		Target: Lookup{TargetPane, 0}, Needs: runsAnything,
		Withheld: wholeServer,
	}
}

// askRows ask somebody something at their display and run commands by what
// they answer.
func askRows() []*Command {
	toClient := Flag{Letter: 't', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)}
	return []*Command{
		{
			Name:  "command-prompt",
			Usage: "[-1bFkiN] [-I inputs] [-p prompts] [-t target-client] [-T type] [template]",
			Flags: rowFlags([]Flag{
				toClient,
				{Letter: 'I', Kind: FormatValue}, {Letter: 'p', Kind: FormatValue},
				// Until 3.3 types were flags of their own.
				{Letter: 'T', Kind: Word, ValueSince: v33}, {Letter: 'W', Until: v33},
				{Letter: 'b', Since: v33}, {Letter: 'F', Since: v33}, {Letter: 'l', Since: v36},
				{Letter: 'C', Since: v37}, {Letter: 'e', Since: v37},
			}, bare("1kiN")),
			Args: NestedCommands, MaxArgs: 1,
			Target: Lookup{TargetClient, 0}, Needs: runsAnything, Withheld: ownKeys,
		},
		{
			Name: "confirm-before", Alias: "confirm", Usage: "[-b] [-p prompt] [-t target-client] command",
			Flags: []Flag{
				toClient, {Letter: 'p', Kind: FormatValue}, {Letter: 'b', Since: v33},
				{Letter: 'c', Kind: Content, Since: v34}, {Letter: 'y', Since: v34},
			},
			Args: NestedCommands, MinArgs: 1, MaxArgs: 1,
			Target: Lookup{TargetClient, 0}, Needs: runsAnything, Withheld: ownKeys,
		},
		displayMenuRow(),
		displayPopupRow(),
		{
			Name: "display-panes", Alias: "displayp", Usage: "[-bN] [-d duration] [-t target-client] [template]",
			Flags: rowFlags([]Flag{toClient, {Letter: 'd', Kind: Number}}, bare("bN")),
			Args:  NestedCommands, MaxArgs: 1,
			Target: Lookup{TargetClient, 0}, Needs: runsAnything, Withheld: ownKeys,
		},
		{
			Name: "clear-prompt-history", Alias: "clearphist", Usage: "[-T type]",
			Flags: []Flag{{Letter: 'T', Kind: Word}}, Needs: need(verbConfigure, OnServer),
		},
		{
			// What others wrote at prompts may be secret.
			Name: "show-prompt-history", Alias: "showphist", Usage: "[-T type]",
			Flags: []Flag{{Letter: 'T', Kind: Word}}, Needs: need(verbConfigure, OnServer),
		},
	}
}

func displayMenuRow() *Command {
	return &Command{
		Name: "display-menu", Alias: "menu",
		Usage: "[-O] [-c target-client] [-t target-pane] [-T title] [-x position] [-y position] name key command ...",
		Flags: rowFlags([]Flag{
			{Letter: 'c', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)}, targetAny,
			{Letter: 'T', Kind: FormatValue}, {Letter: 'x', Kind: FormatValue}, {Letter: 'y', Kind: FormatValue},
			{Letter: 'b', Kind: Word, Since: v34}, {Letter: 'C', Kind: Content, Since: v34},
			{Letter: 'H', Kind: Content, Since: v34}, {Letter: 's', Kind: Content, Since: v34},
			{Letter: 'S', Kind: Content, Since: v34}, {Letter: 'M', Since: v35},
		}, bare("O")),
		First: FormatValue, Args: NestedCommands, MinArgs: 1, MaxArgs: -1,
		Target: Lookup{TargetPane, 0}, Needs: runsAnything, Withheld: ownKeys,
	}
}

func displayPopupRow() *Command {
	return &Command{
		Name: "display-popup", Alias: "popup",
		Usage: "[-BCE] [-b border-lines] [-c target-client] [-d start-directory] [-e environment] [-h height] [-s style] " +
			"[-S border-style] [-t target-pane][-T title] [-w width] [-x position] [-y position] [shell-command]",
		Flags: rowFlags([]Flag{
			{Letter: 'c', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)}, targetAny,
			{Letter: 'd', Kind: FormatValue}, {Letter: 'h', Kind: Percent}, {Letter: 'w', Kind: Percent},
			{Letter: 'x', Kind: FormatValue}, {Letter: 'y', Kind: FormatValue},
			{Letter: 'B', Since: v33}, {Letter: 'b', Kind: Word, Since: v33}, {Letter: 'e', Kind: Env, Since: v33},
			{Letter: 's', Kind: Content, Since: v33}, {Letter: 'S', Kind: Content, Since: v33},
			{Letter: 'T', Kind: FormatValue, Since: v33},
			{Letter: 'k', Since: v36}, {Letter: 'N', Since: v36},
		}, bare("CE")),
		Args: ShellArgs, MaxArgs: -1,
		Target: Lookup{TargetPane, 0}, Needs: need(verbExecute, OnServer), Withheld: ownKeys,
	}
}
