package tmux

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// pieces are what words are put together from: what separates commands, what
// quotes, what a configuration file treats specially, and what does not.
func pieces() []string {
	return []string{
		";", `\;`, `\`, `'`, `"`, "{", "}", "#", "%if", "%end", "~", "~root", "$HOME", "${X}", "A=b", "=", "\n", "\r", "\t", " ", `\n`, `\u0041`,
		"a", "b;", "é", "\u202e", "-", "--", "x", "send", "kill-ser", "-t", "%1", "$(x)", "`x`", "#(x)", "#{x}", "!", "*", "|", "&", "<", ">",
	}
}

// TestWordsReadAsTmuxReadsThem gives tmux and us the same words, as a client
// would send them, and compares how many commands each sees, which, and whether
// they are refused. tmux is asked by binding a key to them: what it bound is
// what it read.
func TestWordsReadAsTmuxReadsThem(t *testing.T) {
	srv := startServer(t)
	srv.limit = time.Duration(soak.N(240, 3)) * time.Minute
	srv.run("set-option", "-s", "command-alias", "")
	for _, key := range []string{"M-b", "M-z"} { // a table with more than the one key
		srv.run("bind", "-T", "reads", key, "choose-tree")
	}
	c := srv.control("start")
	v := mustVersion(t, srv.run("display-message", "-p", "#{version}"))
	r := rand.New(rand.NewPCG(3, 4))
	const batch = 200
	several, refused := 0, 0
	rounds := soak.N(10_000_000, 100_000) / batch
	for range rounds {
		var all [][]string
		var lines []string
		for range batch {
			words := randomWords(r)
			line, err := QuoteControl(append([]string{"bind", "-T", "reads", "M-a"}, words...))
			if err != nil {
				continue // cannot be put on a line at all: nothing to compare
			}
			all = append(all, words)
			lines = append(lines, line, "list-keys -T reads")
		}
		c.send(lines...)
		for _, words := range all {
			said, ok := c.reply()
			bound, _ := c.reply()
			ours, err := ParseArgv(words, ParseOptions{Version: v})
			if err != nil && strings.HasSuffix(err.Text, "expects an argument") {
				continue // refused here, whatever this version makes of it
			}
			if (err == nil) != ok {
				t.Errorf("%q: we read %s %v, tmux %q", words, show(ours), err, said)
				continue
			}
			if !ok {
				refused++
				continue
			}
			if len(ours) > 1 {
				several++
			}
			if got := boundCommands(string(bound)); got != len(ours) {
				t.Errorf("%q: we read %d commands, %s, tmux %d: %s", words, len(ours), show(ours), got, bound)
			}
		}
	}
	t.Logf("%d lines of words compared, %d with several commands, %d refused by both", rounds*batch, several, refused)
	if several == 0 || refused == 0 {
		t.Error("nothing of what is to be compared came up")
	}
}

// randomWords are a few commands with arguments, separated in every way.
func randomWords(r *rand.Rand) []string {
	all := pieces()
	words := []string{}
	for range 1 + r.IntN(3) {
		name := []string{"send", "send", "send", "send", "send", "has", "lsp", "kill-ser", "send", []string{"renamew", "x"}[r.IntN(2)]}[r.IntN(10)]
		words = append(words, name)
		most := 1 // takes no arguments, or few
		if name == "send" {
			most = 4
		}
		for range r.IntN(most) {
			var w strings.Builder
			for range 1 + r.IntN(3) {
				w.WriteString(all[r.IntN(len(all))])
			}
			words = append(words, w.String())
		}
		end := ";"
		if name == "send" || r.IntN(20) == 0 {
			end = []string{";", ";", `\;`, "a;", `b\;`, ";;"}[r.IntN(6)]
		}
		words = append(words, end)
	}
	if len(words) > 2 { // a key bound to one word has that parsed as a line
		words = words[:len(words)-r.IntN(2)]
	}
	return words
}

// boundCommands counts the commands that list-keys says the key is bound to.
// Words are written with short names, as commands they come back with the full
// one. Each key is listed with bind-key, and choose-tree is on the other key.
func boundCommands(list string) int {
	n := 0
	for _, word := range strings.Fields(list) {
		if FindCommand(word) != nil && word != "bind-key" && word != "choose-tree" {
			n++
		}
	}
	return n
}
