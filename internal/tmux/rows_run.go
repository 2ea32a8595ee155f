package tmux

// The server as a whole, and the people at it.
const (
	holdsQueue = "it holds up others, or what waits for it, for as long as it likes, so it is for who holds every verb on the server"
	ownWords   = "it names everybody's clients and jobs, so it is for who holds every verb on the server"
	noFlags    = "what your display may do is not its own to say"
)

// runRows have tmux run a shell, or commands that are read when their time
// comes.
func runRows() []*Command {
	return []*Command{
		{
			Name: "run-shell", Alias: "run", Usage: "[-bC] [-d delay] [-t target-pane] [shell-command]",
			Flags: rowFlags([]Flag{
				{Letter: 'd', Kind: Number}, targetAny,
				{Letter: 'C', Needs: runsAnything},
				{Letter: 'c', Kind: FormatValue, Since: v34},
				{Letter: 'E', Since: v36}, {Letter: 's', Kind: FormatValue, Since: v36},
			}, bare("b")),
			Args: ShellFormat, MaxArgs: 1, Open: v37, Spare: [2]Version{v34, v36},
			Target: Lookup{TargetPane, CanFail}, Needs: need(verbExecute, OnServer),
		},
		{
			Name: "if-shell", Alias: "if", Usage: "[-bF] [-t target-pane] shell-command command [command]",
			Flags: rowFlags([]Flag{targetAny}, bare("bF")),
			First: ShellFormat, Args: NestedCommands, MinArgs: 2, MaxArgs: 3,
			Target: Lookup{TargetPane, CanFail}, Needs: runsAnything,
		},
		{
			Name: "pipe-pane", Alias: "pipep", Usage: "[-IOo] [-t target-pane] [shell-command]",
			Flags: rowFlags([]Flag{{Letter: 'I', Needs: need(verbType, OnPane)}, targetAny}, bare("Oo")),
			Args:  ShellFormat, MaxArgs: 1,
			Target: Lookup{TargetPane, 0}, Needs: []Need{{verbExecute, OnServer, ""}, {verbCopy, OnPane, ""}},
		},
		{
			Name: "source-file", Alias: "source", Usage: "[-Fnqv] path ...",
			Flags: rowFlags([]Flag{
				{Letter: 'F', Withheld: "name the file itself"},
				{Letter: 't', Kind: TargetValue, Since: v34},
			}, bare("nqv")),
			Args: Glob, MinArgs: 1, MaxArgs: -1,
			Target: Lookup{TargetPane, CanFail}, Needs: runsAnything,
		},
		{
			Name: "wait-for", Alias: "wait", Usage: "[-L|-S|-U] channel",
			Flags: bare("LSU"), Args: Content, MinArgs: 1, MaxArgs: 1,
			Needs: need(verbConfigure, OnServer), Withheld: holdsQueue,
		},
	}
}

// clientRows are about people's displays. One's own is one's own; others'
// take the right to detach others.
func clientRows() []*Command {
	others := Flag{Letter: 't', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)}
	return []*Command{
		{
			Name: "lock-client", Alias: "lockc", Usage: "[-t target-client]", Flags: []Flag{others},
			Target: Lookup{TargetClient, 0},
		},
		{
			Name: "lock-session", Alias: "locks", Usage: "[-t target-session]", Flags: []Flag{targetSession},
			Target: Lookup{TargetSession, 0}, Needs: need(verbDetachOthers, OnSession),
		},
		{Name: "lock-server", Alias: "lock", Needs: need(verbDetachOthers, OnServer)},
		{
			Name: "suspend-client", Alias: "suspendc", Usage: "[-t target-client]", Flags: []Flag{others},
			Target: Lookup{TargetClient, 0},
		},
		{
			Name: "refresh-client", Alias: "refresh",
			Usage: "[-cDlLRSU] [-A pane:state] [-B name:what:format] [-C XxY] [-f flags] [-t target-client] [adjustment]",
			Flags: rowFlags([]Flag{
				others,
				{Letter: 'A', Kind: Content}, {Letter: 'B', Kind: Content}, {Letter: 'C', Kind: Content},
				{Letter: 'f', Kind: ClientFlags}, {Letter: 'F', Kind: ClientFlags},
				{Letter: 'r', Kind: Content, Since: v35, Withheld: noFlags},
				{Letter: 'l', Kind: Content, ValueSince: v33, ValueUntil: v37, Optional: true, Withheld: noFlags},
			}, bare("cDLRSU")),
			Args: Number, MaxArgs: 1,
			Target: Lookup{TargetClient, 0},
		},
		{
			Name: "show-messages", Alias: "showmsgs", Usage: "[-JT] [-t target-client]",
			Flags:  rowFlags([]Flag{others}, bare("JT")),
			Target: Lookup{TargetClient, 0}, Needs: need(verbConfigure, OnServer), Withheld: ownWords,
		},
		{
			Name: "server-access", Usage: "[-adlrw] [-t target-pane] [user]",
			Flags: bare("adlrw"), Args: FormatValue, MaxArgs: 1, Needs: need(verbConfigure, OnServer),
			Refused: "muxward's policy is the access list; see muxward who, grant and revoke",
		},
		{Name: "start-server", Alias: "start", Starts: true},
	}
}
