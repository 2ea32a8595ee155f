package tmux

import (
	"bytes"
	"testing"
)

// benchServer has three sessions, five windows and eight panes.
func benchServer(b *testing.B) *control {
	b.Helper()
	srv := startServer(b)
	srv.run("split-window", "-t", "start", "exec cat")
	srv.run("new-window", "-d", "-t", "start:4", "exec cat")
	srv.run("new-session", "-d", "-s", "two", "exec cat")
	srv.run("new-window", "-d", "-t", "two:4", "exec cat")
	srv.run("split-window", "-t", "two:4", "exec cat")
	srv.run("new-session", "-d", "-s", "three", "exec cat")
	srv.run("split-window", "-t", "three", "exec cat")
	return srv.control("start")
}

func BenchmarkSnapshot(b *testing.B) {
	c := benchServer(b)
	for name, d := range map[string]Detail{"core": Core, "full": Full} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.snapshot(d)
			}
		})
	}
}

func BenchmarkParseSnapshot(b *testing.B) {
	c := benchServer(b)
	lines := SnapshotCommands(Core)
	c.send(lines...)
	replies := make([][]byte, len(lines))
	for i := range lines {
		body, _ := c.reply()
		replies[i] = bytes.Clone(body)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseSnapshot(Core, replies); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCommandLine(b *testing.B) {
	snap := demandSnapshot()
	argv := []string{"send-keys", "-t", "s:0.1", "-l", "hello"}
	b.ReportAllocs()
	for b.Loop() {
		all, err := ParseArgv(argv, ParseOptions{})
		if err != nil {
			b.Fatal(err)
		}
		target, _ := all[0].Get('t')
		found, rerr := Resolve(snap, all[0].TargetLookup(), target, ResolveContext{})
		if rerr != nil {
			b.Fatal(rerr)
		}
		all[0].Demands(snap, Resolved{Target: found})
		if _, qerr := QuoteControl(all[0].Words()); qerr != nil {
			b.Fatal(qerr)
		}
	}
}

func BenchmarkText(b *testing.B) {
	for name, text := range map[string]string{
		"plain": "send-keys -t s:0.1 -l hello",
		"line":  `send-keys -t 's:0.1' -l "it's \"quoted\"" ; select-pane -t s:0.1 ; display-message -p '#{pane_id}' # done`,
		"block": `bind-key -T root x { if-shell -F '#{pane_in_mode}' { send-keys -X cancel ; select-pane -L } { split-window -h } }`,
	} {
		b.Run(name, func(b *testing.B) {
			snap := demandSnapshot()
			b.ReportAllocs()
			for b.Loop() {
				parsed, err := ParseText(text, ParseOptions{Aliases: DefaultAliases()})
				if err != nil {
					b.Fatal(err)
				}
				for _, inv := range parsed.Commands {
					target, _ := inv.Get('t')
					found, err := Resolve(snap, inv.TargetLookup(), target, ResolveContext{})
					if err == nil {
						inv.Demands(snap, Resolved{Target: found})
					}
				}
			}
		})
	}
}
