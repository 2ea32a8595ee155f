package tmux

// The table. One row per command of tmux (here and in rows_*.go, by what they
// are about), every flag of every known version classified: what its value is
// to tmux and which verbs it needs. A flag that is not here is refused.
//
// Positions that tmux expands as formats are marked Format even where people
// rarely use one: the text of people who do not hold every verb is escaped
// there. What only makes sense in the hands of who holds every verb is
// withheld from others, with what they can do instead.

var (
	targetSession = Flag{Letter: 't', Kind: TargetValue}
	targetAny     = Flag{Letter: 't', Kind: TargetValue}
	outFormat     = Flag{Letter: 'F', Kind: OutFormat}
	rowFilter     = Flag{Letter: 'f', Kind: Filter}
	sortOrder     = Flag{Letter: 'O', Kind: Text, Since: v37}
	sortReverse   = Flag{Letter: 'r', Since: v37}
	startDir      = Flag{Letter: 'c', Kind: FormatValue}
	envFlag       = Flag{Letter: 'e', Kind: Env, Needs: environmentNeeds}
	printFlag     = Flag{Letter: 'P'}
	zoomFlag      = Flag{Letter: 'Z'}
	bufferFlag    = Flag{Letter: 'b', Kind: BufferName}
)

// environmentNeeds are the verbs for what programs find in their environment:
// it decides what they load and run.
var environmentNeeds = []Need{{verbConfigure, OnServer, "environment"}, {verbExecute, OnServer, ""}}

// What people can do who are not given a flag.
const (
	nameSession = "name the session with -t"
	freeIndex   = "others would change their index, by which rights go; name a free one with -t"
	plainKeys   = "name the keys themselves"
)

// styleFlag is a flag whose value becomes an option of the pane that tmux
// reads again each time it draws: that is more than its words say.
func styleFlag(letter byte, since Version) Flag {
	return Flag{
		Letter: letter, Kind: Text, Since: since,
		Needs:    []Need{{verbConfigure, OnServer, ""}, {verbExecute, OnServer, ""}},
		Withheld: "leave it out",
	}
}

// withheld makes flags without value that are not for everybody.
func withheld(letters, instead string) []Flag {
	flags := bare(letters)
	for i := range flags {
		flags[i].Withheld = instead
	}
	return flags
}

// bare makes flags without value and without needs of their own.
func bare(letters string) []Flag {
	flags := make([]Flag, len(letters))
	for i := range len(letters) {
		flags[i].Letter = letters[i]
	}
	return flags
}

// rowFlags joins single flags and lists of them.
func rowFlags(lists ...[]Flag) []Flag {
	var all []Flag
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func need(verb string, on TargetRef) []Need { return []Need{{Verb: verb, On: on}} }

var offered = buildTable()

func buildTable() []*Command {
	var rows []*Command
	for _, part := range [][]*Command{
		sessionRows(), listRows(), killRows(), selectRows(), paneRows(), typeRows(), bufferRows(),
		moveRows(), sizeRows(), respawnRows(), modeRows(), askRows(), optionRows(), runRows(), clientRows(),
	} {
		rows = append(rows, part...)
	}
	return inTableOrder(rows)
}

// sessionRows are the commands about sessions and clients.
func sessionRows() []*Command {
	return []*Command{
		{
			Name: "attach-session", Alias: "attach", Starts: true,
			Usage: "[-dErx] [-c working-directory] [-f flags] [-t target-session]",
			Flags: rowFlags([]Flag{
				{Letter: 'c', Kind: FormatValue, Needs: need(verbConfigure, OnSession)},
				{Letter: 'd', Needs: need(verbDetachOthers, OnSession)},
				{Letter: 'x', Needs: need(verbDetachOthers, OnSession)},
				{Letter: 'f', Kind: ClientFlags},
				targetAny,
			}, bare("Er")),
			Target: Lookup{TargetSession, PreferUnattached},
			Needs:  need(verbView, OnSession),
		},
		{
			Name: "new-session", Alias: "new", Starts: true,
			Usage: "[-AdDEPX] [-c start-directory] [-e environment] [-F format] [-f flags] " +
				"[-n window-name] [-s session-name] [-t target-session] [-x width] [-y height] [shell-command]",
			Flags: rowFlags([]Flag{
				startDir, envFlag, outFormat,
				{Letter: 'f', Kind: ClientFlags},
				{Letter: 'n', Kind: NewName},
				{Letter: 's', Kind: NewName},
				{Letter: 't', Kind: TargetValue, Needs: []Need{{verbView, OnSession, ""}, {verbLayout, OnSession, ""}}},
				{Letter: 'x', Kind: Number},
				{Letter: 'y', Kind: Number},
			}, bare("AdDEPX")),
			Args: ShellArgs, MaxArgs: -1,
			Target:   Lookup{TargetSession, CanFail},
			extra:    newSessionNeeds,
			Withheld: "only the owner of a server makes sessions on it",
		},
		{
			Name: "has-session", Alias: "has", Usage: "[-t target-session]",
			Flags: []Flag{targetSession}, Target: Lookup{TargetSession, 0},
			Needs: need(verbView, OnSession),
		},
		{
			Name: "switch-client", Alias: "switchc",
			Usage: "[-ElnprZ] [-c target-client] [-t target-session] [-T key-table]",
			Flags: rowFlags([]Flag{
				{Letter: 'c', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)},
				targetAny,
				{Letter: 'T', Kind: KeyTable, Withheld: nameSession},
				{Letter: 'Z', Needs: need(verbLayout, OnSession)},
				{Letter: 'O', Kind: Text, Since: v37, Withheld: nameSession},
			}, withheld("lFnpr", nameSession), bare("E")),
			Target: Lookup{TargetSession, PreferUnattached},
			Needs:  []Need{{verbNavigate, OnSession, ""}, {verbView, OnSession, ""}},
		},
		{
			Name: "detach-client", Alias: "detach",
			Usage: "[-aP] [-E shell-command] [-s target-session] [-t target-client]",
			Flags: []Flag{
				{Letter: 'a', Needs: need(verbDetachOthers, OnServer)},
				{Letter: 'E', Kind: Shell, Needs: need(verbExecute, OnServer)},
				{Letter: 's', Kind: TargetValue, Needs: need(verbDetachOthers, OnSource)},
				{Letter: 't', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)},
				{Letter: 'P'},
			},
			Target: Lookup{TargetClient, 0},
			Source: Lookup{TargetSession, CanFail},
		},
		{
			Name: "rename-session", Alias: "rename", Usage: "[-t target-session] new-name",
			Flags: []Flag{targetSession}, Args: NewName, MinArgs: 1, MaxArgs: 1,
			Target: Lookup{TargetSession, 0}, Needs: need(verbLayout, OnSession),
			Withheld: "rights go by the names of sessions, so only who holds every verb on the server gives them new ones",
		},
	}
}

// listRows are the commands that only print. Rows whose object the asker may
// not view are left out, and with them everything a format says about them.
func listRows() []*Command {
	return []*Command{
		{
			Name: "list-sessions", Alias: "ls", Usage: "[-F format] [-f filter]",
			Flags: []Flag{outFormat, rowFilter, sortOrder, sortReverse},
			Needs: need(verbView, OnListed),
		},
		{
			Name: "list-windows", Alias: "lsw", Usage: "[-a] [-F format] [-f filter] [-t target-session]",
			Flags:  []Flag{outFormat, rowFilter, sortOrder, sortReverse, {Letter: 'a'}, targetSession},
			Target: Lookup{TargetSession, 0},
			Needs:  need(verbView, OnListed),
		},
		{
			Name: "list-panes", Alias: "lsp", Usage: "[-as] [-F format] [-f filter] [-t target-window]",
			Flags:  rowFlags([]Flag{outFormat, rowFilter, sortOrder, sortReverse, targetAny}, bare("as")),
			Target: Lookup{TargetWindow, 0},
			Needs:  need(verbView, OnListed),
		},
		{
			Name: "list-clients", Alias: "lsc", Usage: "[-F format] [-t target-session]",
			Flags: []Flag{
				outFormat, {Letter: 'f', Kind: Filter, Since: v34},
				sortOrder, sortReverse, targetSession,
			},
			Target: Lookup{TargetSession, 0},
			Needs:  need(verbView, OnListed),
		},
		{
			Name: "list-buffers", Alias: "lsb", Usage: "[-F format] [-f filter]",
			Flags: []Flag{outFormat, rowFilter, sortOrder, sortReverse},
			Needs: need(verbCopy, OnServer),
		},
		{
			Name: "list-commands", Alias: "lscm", Usage: "[-F format] [command]", Starts: true,
			Flags: []Flag{outFormat}, Args: CommandName, MaxArgs: 1,
		},
		{
			Name: "list-keys", Alias: "lsk", Usage: "[-1aN] [-P prefix-string] [-T key-table] [key]", Starts: true,
			Flags: rowFlags([]Flag{
				{Letter: 'F', Kind: OutFormat, Since: v37}, sortOrder, sortReverse,
				{Letter: 'P', Kind: Text}, {Letter: 'T', Kind: KeyTable},
				{Letter: '1', Withheld: "name the key"},
			}, bare("aN")),
			Args: Keys, MaxArgs: 1,
			Needs: need(verbView, OnServer),
		},
		{
			Name: "display-message", Alias: "display",
			Usage: "[-aINpv] [-c target-client] [-d delay] [-F format] [-t target-pane] [message]",
			Flags: rowFlags([]Flag{
				{Letter: 'a', Needs: need(verbConfigure, OnServer)},
				{Letter: 'v', Needs: need(verbConfigure, OnServer)},
				{Letter: 'I', Needs: need(verbType, OnPane)},
				// Until 3.3 no value was taken.
				{Letter: 'c', Kind: ClientValue, ValueSince: v33, Needs: need(verbDetachOthers, OnClient)},
				{Letter: 'd', Kind: Number},
				{Letter: 'l', Since: v34},
				{Letter: 'C', Since: v36},
				outFormat, targetAny,
			}, bare("Np")),
			Args: OutFormat, MaxArgs: 1,
			Target: Lookup{TargetPane, CanFail},
			Needs:  need(verbView, OnPane),
		},
	}
}

// killRows are the commands that close things. What else closes with them
// (the last pane's window, the last window's session) is added by [Closing].
func killRows() []*Command {
	return []*Command{
		{
			Name: "kill-pane", Alias: "killp", Usage: "[-a] [-t target-pane]",
			Flags: []Flag{
				{Letter: 'a', Needs: need(verbClosePane, OnOthers), Withheld: "close the panes one by one with -t"},
				targetAny,
			},
			Target: Lookup{TargetPane, 0}, extra: unlessOthers(verbClosePane, OnPane),
		},
		{
			Name: "kill-window", Alias: "killw", Usage: "[-a] [-t target-window]",
			Flags: []Flag{
				{Letter: 'a', Needs: need(verbCloseWindow, OnOthers), Withheld: "close the windows one by one with -t"},
				targetAny,
			},
			Target: Lookup{TargetWindow, 0}, extra: unlessOthers(verbCloseWindow, OnWindow),
		},
		{
			Name: "kill-session", Usage: "[-aC] [-t target-session]",
			Flags: []Flag{
				{Letter: 'a', Needs: need(verbCloseSession, OnOthers), Withheld: nameSession},
				{Letter: 'C', Needs: need(verbLayout, OnSession)},
				{Letter: 'g', Since: v37, Needs: need(verbCloseSession, OnOthers), Withheld: nameSession},
				targetSession,
			},
			Target: Lookup{TargetSession, 0}, extra: unlessOthers(verbCloseSession, OnSession),
		},
		{Name: "kill-server", Needs: need(verbCloseSession, OnServer)},
	}
}

// selectRows change what a session or window shows to everybody.
func selectRows() []*Command {
	window := func(name, alias string) *Command {
		return &Command{
			Name: name, Alias: alias, Usage: "[-a] [-t target-session]",
			Flags:  []Flag{{Letter: 'a'}, targetSession},
			Target: Lookup{TargetSession, 0}, Needs: need(verbLayout, OnSession),
		}
	}
	return []*Command{
		{
			Name: "select-pane", Alias: "selectp",
			Usage: "[-DdeLlMmRUZ] [-T title] [-t target-pane]",
			Flags: rowFlags(bare("de"), []Flag{
				{Letter: 'm', Needs: need(verbConfigure, OnServer)},
				{Letter: 'M', Needs: need(verbConfigure, OnServer)},
				styleFlag('P', Version{}),
				{Letter: 'T', Kind: NewName},
				targetAny, zoomFlag,
			}, bare("DgLlRU")),
			Target: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnWindow), extra: inputNeeds,
		},
		{
			Name: "last-pane", Alias: "lastp", Usage: "[-deZ] [-t target-window]",
			Flags:  rowFlags(bare("de"), []Flag{targetAny, zoomFlag}),
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnWindow), extra: inputNeeds,
		},
		{
			Name: "select-window", Alias: "selectw", Usage: "[-lnpT] [-t target-window]",
			Flags:  rowFlags([]Flag{targetAny}, bare("lnpT")),
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnSession),
		},
		window("next-window", "next"),
		window("previous-window", "prev"),
		{
			Name: "last-window", Alias: "last", Usage: "[-t target-session]",
			Flags:  []Flag{targetSession},
			Target: Lookup{TargetSession, 0}, Needs: need(verbLayout, OnSession),
		},
		{
			Name: "select-layout", Alias: "selectl", Usage: "[-Enop] [-t target-pane] [layout-name]",
			Flags: rowFlags([]Flag{targetAny}, bare("Enop")),
			Args:  Layout, MaxArgs: 1,
			Target: Lookup{TargetPane, 0}, Needs: need(verbLayout, OnWindow),
		},
		{
			Name: "rename-window", Alias: "renamew", Usage: "[-t target-window] new-name",
			Flags: []Flag{targetAny}, Args: NewName, MinArgs: 1, MaxArgs: 1,
			Target: Lookup{TargetWindow, 0}, Needs: need(verbLayout, OnWindow),
		},
	}
}

// paneRows make panes, type into them and read them.
func paneRows() []*Command {
	return []*Command{
		{
			Name: "new-window", Alias: "neww", shares: true,
			Usage: "[-abdkPS] [-c start-directory] [-e environment] [-F format] " +
				"[-n window-name] [-t target-window] [shell-command]",
			Flags: rowFlags([]Flag{
				startDir, envFlag, outFormat, printFlag,
				{Letter: 'n', Kind: NewName},
				{Letter: 'a', Needs: need(verbLayout, OnSession), Withheld: freeIndex},
				{Letter: 'b', Needs: need(verbLayout, OnSession), Withheld: freeIndex},
				{Letter: 'k', Needs: need(verbCloseWindow, OnWindow), Withheld: "close the window first"},
				{Letter: 'S', Needs: need(verbLayout, OnSession)},
				targetAny,
			}, bare("d")),
			Args: ShellArgs, MaxArgs: -1,
			Target: Lookup{TargetWindow, WindowIndex},
			extra:  spawnNeeds(OnSession),
		},
		splitWindowRow(),
		{
			Name: "send-keys", Alias: "send",
			Usage: "[-FHlMRX] [-N repeat-count] [-t target-pane] key ...",
			Flags: rowFlags([]Flag{
				{Letter: 'c', Kind: ClientValue, Since: v34, Needs: need(verbDetachOthers, OnClient)},
				{Letter: 'K', Since: v34, Needs: need(verbConfigure, OnServer), Withheld: plainKeys},
				{Letter: 'F', Needs: need(verbExecute, OnServer), Withheld: plainKeys},
				{Letter: 'R', Needs: need(verbLayout, OnPane)},
				{Letter: 'N', Kind: Number, Max: 1000},
				targetAny,
			}, bare("HlMX")),
			Args: Keys, MaxArgs: -1,
			Target: Lookup{TargetPane, 0}, Needs: need(verbType, OnPane), extra: copyModeNeeds,
		},
		{
			Name: "capture-pane", Alias: "capturep",
			Usage: "[-aCeJNpPq] [-b buffer-name] [-E end-line] [-S start-line] [-t target-pane]",
			Flags: rowFlags([]Flag{
				{Letter: 'b', Kind: BufferName, Needs: need(verbCopy, OnServer)},
				{Letter: 'E', Kind: Line}, {Letter: 'S', Kind: Line},
				{Letter: 'T', Since: v34}, {Letter: 'M', Since: v36},
				{Letter: 'F', Since: v37}, {Letter: 'H', Since: v37}, {Letter: 'L', Since: v37},
				targetAny,
			}, bare("aCeJNpPq")),
			Target: Lookup{TargetPane, 0}, Needs: need(verbCopy, OnPane), extra: captureNeeds,
		},
	}
}

func splitWindowRow() *Command {
	return &Command{
		Name: "split-window", Alias: "splitw",
		Usage: "[-bdefhIPvZ] [-c start-directory] [-e environment] [-F format] " +
			"[-l size] [-t target-pane][shell-command]",
		Flags: rowFlags([]Flag{
			startDir, envFlag, outFormat, printFlag, zoomFlag,
			{Letter: 'I', Needs: need(verbType, OnWindow)},
			{Letter: 'l', Kind: Percent}, {Letter: 'p', Kind: Number},
			{Letter: 'E', Since: v37},
			{Letter: 'k', Since: v37, Needs: need(verbConfigure, OnPane)},
			styleFlag('m', v37), styleFlag('R', v37), styleFlag('s', v37), styleFlag('S', v37),
			targetAny,
		}, bare("bdfhv")),
		Args: ShellArgs, MaxArgs: -1,
		Target: Lookup{TargetPane, 0},
		extra:  spawnNeeds(OnWindow),
	}
}
