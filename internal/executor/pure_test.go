package executor

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m})) }

// What tmux hears of a guest's terminal is one of a few descriptions of ours,
// whatever the guest's client says it has, and none of them can set a title or
// a clipboard.
func TestTerminalsOfGuests(t *testing.T) {
	for term, want := range map[string]string{
		"xterm-256color": "xterm-256color", "linux": "linux", "vt220": "vt100", "ansi": "vt100",
		"alacritty": "xterm-256color", "tmux-256color": "tmux-256color", "st-0.9+x": "xterm-256color",
		"": "", "dumb": "", "unknown": "", "../../etc/passwd": "", "-x": "", ".x": "", "a b": "", "x\n": "", "x\x1b": "",
		strings.Repeat("x", 65): "", "ünïcode": "", "%p1": "", "a/b": "",
	} {
		name, capabilities, err := terminal(term)
		if name != want || (err == nil) != (want != "") || (err == nil) != (len(capabilities) > 0) {
			t.Errorf("%q: %q with %d capabilities, %v; want %q", term, name, len(capabilities), err, want)
		}
		for _, c := range capabilities {
			key, value, ok := strings.Cut(c, "=")
			if !ok || slices.Contains([]string{"Ms", "tsl", "fsl", "dsl", "TS", "Hls", "Swd", "kbs", "is1", "rs1", "mc5"}, key) {
				t.Errorf("%s has %q", term, c)
			}
			if strings.Contains(value, "\x1b]") || strings.Contains(value, "\x1bP") || strings.Contains(value, "\x07") && key != "bel" {
				t.Errorf("%s: %q is more than drawing", term, c)
			}
		}
	}
}

// What goes over the connection that all share can run no job, and means the
// same for every client.
func TestPlain(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "text": true, "#{session_name}": true, "#S": true, "#(id)": false, "#{client_name}": false,
		"#{E:status-left}": false, "#{T:status-left}": false, "#{@mine}": false, "a\n#S": false, "#{?#{client_tty},a,b}": false,
	} {
		if got := plain(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// What is typed becomes commands in which nothing can be taken for anything
// else: bytes are numbers, and a key that the server has no name for, or that
// the pane is sent nothing of, never goes by its name.
func TestInputCommands(t *testing.T) {
	const old, young = "3.3a", "3.7"
	for _, c := range []struct {
		version string
		e       attach.Event
		want    string
	}{
		{old, attach.Event{Kind: attach.Keys, Bytes: []byte("a;\n'\x00\xff")}, "send-keys -t T -H 61 3b 0a 27 00 ff"},
		{young, attach.Event{Kind: attach.Keys, Bytes: []byte("a\x03;\t\x00")}, "send-keys -t T -H 61 | send-keys -t T C-c | send-keys -t T -H 3b 09 | send-keys -t T C-Space"},
		{old, attach.Event{Kind: attach.Named, Key: "C-M-Up"}, "send-keys -t T C-M-Up"},
		{old, attach.Event{Kind: attach.Named, Key: "C-M-Up", Escaped: true}, "send-keys -t T -H 1b | send-keys -t T C-Up"},
		{old, attach.Event{Kind: attach.Named, Key: "S-Enter"}, ""},
		{old, attach.Event{Kind: attach.Named, Key: "C-$"}, ""},
		{old, attach.Event{Kind: attach.Named, Key: "C-|"}, `send-keys -t T C-\`},
		{young, attach.Event{Kind: attach.Named, Key: "S-Enter"}, "send-keys -t T S-Enter"},
		{young, attach.Event{Kind: attach.Named, Key: "C-$"}, "if-shell -F -t T #{==:#{pane_key_mode},VT10x}  send-keys -t T 'C-$'"},
		{young, attach.Event{Kind: attach.Named, Key: "C-M-$"}, "if-shell -F -t T #{==:#{pane_key_mode},VT10x} send-keys -t T Escape send-keys -t T 'C-M-$'"},
	} {
		v, err := tmux.ParseVersion(c.version)
		if err != nil {
			t.Fatal(err)
		}
		in, err := input(&scene{target: "T", opts: tmux.ParseOptions{Version: v}}, c.e)
		var lines []string
		for _, words := range in.commands {
			lines = append(lines, strings.Join(words, " "))
		}
		if got := strings.Join(lines, " | "); err != nil || got != c.want {
			t.Errorf("%s: %+v:\n got  %q, %v\n want %q", c.version, c.e, got, err, c.want)
		}
	}
}

// What is spelled for a scene once is, for each text, what is put together anew for it.
func TestSpellingIsTheSameLine(t *testing.T) {
	var sp spelling
	for _, at := range []*scene{aScene("3.3a", "%1", "@2", "$3"), aScene("3.5a", "%1", "@2", "$3"), aScene("3.3a", "%9", "@8", "$7")} {
		n := 0
		for b := range 256 {
			for _, text := range [][]byte{{byte(b)}, {'a', byte(b), 0xff}, bytes.Repeat([]byte{byte(b)}, keyChunk)} {
				in, err := input(at, attach.Event{Kind: attach.Keys, Bytes: text})
				if err != nil {
					t.Fatal(err)
				}
				if !coded(text, at.opts.Version) {
					n++
					continue
				}
				want, err := in.line(at)
				got, err2 := sp.line(at, text)
				if err != nil || err2 != nil || got != want {
					t.Fatalf("%q: %v, %v\n%s\n%s", text, err, err2, got, want)
				}
			}
		}
		if coded(bytes.Repeat([]byte{'a'}, keyChunk+1), at.opts.Version) || coded(nil, at.opts.Version) {
			t.Error("more than a command holds, or nothing, is one command")
		}
		if tells := tmux.TellsKeyMode(at.opts.Version); tells != (n > 0) {
			t.Errorf("%v: %d texts are not coded", at.opts.Version, n)
		}
	}
}
