package tmux

// typeRows type into a pane what is not written out.
func typeRows() []*Command {
	return []*Command{
		{
			Name: "send-prefix", Usage: "[-2] [-t target-pane]", Flags: []Flag{{Letter: '2'}, targetAny},
			Target: Lookup{TargetPane, 0}, Needs: need(verbType, OnPane),
		},
		{
			Name: "paste-buffer", Alias: "pasteb", Usage: "[-dpr] [-s separator] [-b buffer-name] [-t target-pane]",
			Flags: rowFlags([]Flag{
				bufferFlag, targetAny, {Letter: 's', Kind: Content}, {Letter: 'S', Since: v37},
			}, bare("dpr")),
			Target: Lookup{TargetPane, 0}, Needs: []Need{{verbType, OnPane, ""}, {verbCopy, OnServer, ""}},
		},
	}
}

// bufferRows are the commands about paste buffers, which belong to the server.
func bufferRows() []*Command {
	clipboard := Flag{Letter: 'w', Needs: need(verbConfigure, OnServer), Withheld: "leave it out: the buffer alone is set"}
	return []*Command{
		{
			Name: "delete-buffer", Alias: "deleteb", Usage: "[-b buffer-name]",
			Flags: []Flag{bufferFlag}, Needs: need(verbCopy, OnServer),
		},
		{
			Name: "save-buffer", Alias: "saveb", Usage: "[-a] [-b buffer-name] path",
			Flags: []Flag{{Letter: 'a'}, bufferFlag}, Args: Path, MinArgs: 1, MaxArgs: 1,
			Needs: need(verbCopy, OnServer),
		},
		{
			Name: "set-buffer", Alias: "setb", Usage: "[-aw] [-b buffer-name] [-n new-buffer-name] [-t target-client] data",
			Flags: []Flag{
				{Letter: 'a'}, bufferFlag, {Letter: 'n', Kind: BufferName}, clipboard,
				{Letter: 't', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)},
			},
			Args: Content, MaxArgs: 1,
			Target: Lookup{TargetClient, CanFail}, Needs: need(verbCopy, OnServer),
		},
		{
			Name: "load-buffer", Alias: "loadb", Usage: "[-b buffer-name] [-t target-client] path",
			Flags: []Flag{
				bufferFlag,
				{Letter: 't', Kind: ClientValue, Needs: need(verbDetachOthers, OnClient)},
				clipboard,
			},
			Args: Path, MinArgs: 1, MaxArgs: 1,
			Target: Lookup{TargetClient, CanFail}, Needs: need(verbCopy, OnServer),
		},
		{
			Name: "show-buffer", Alias: "showb", Usage: "[-b buffer-name]",
			Flags: []Flag{bufferFlag}, Needs: need(verbCopy, OnServer),
		},
	}
}
