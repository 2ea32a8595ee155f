package tmux

import (
	"math/rand/v2"
	"slices"
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

// wording compares words, as a client would send them, with what a tmux makes of them:
// how many commands, and whether they are refused. tmux is asked by binding a key to
// them, which runs none: what it bound is what it read.
type wording struct {
	c                *control
	v                Version
	several, refused int
}

func startWording(t testing.TB, limit time.Duration) *wording {
	t.Helper()
	srv := startServer(t)
	srv.limit = limit // one client asks everything
	srv.run("set-option", "-s", "command-alias", "")
	for _, key := range []string{"M-b", "M-z"} { // a table with more than the one key
		srv.run("bind", "-T", "reads", key, "choose-tree")
	}
	return &wording{c: srv.control("start"), v: srv.v}
}

// lines are what tmux is asked; nil if words cannot be put on a line at all.
func (w *wording) lines(words []string) []string {
	line, err := QuoteControl(append([]string{"bind", "-T", "reads", "M-a"}, words...))
	if err != nil {
		return nil
	}
	return []string{line, "list-keys -T reads"}
}

// compare takes the answers.
func (w *wording) compare(t testing.TB, words []string) {
	t.Helper()
	said, ok := w.c.reply()
	bound, _ := w.c.reply()
	ours, err := ParseArgv(words, ParseOptions{Version: w.v})
	if err != nil && strings.HasSuffix(err.Text, "expects an argument") {
		return // refused here, whatever this version makes of it
	}
	if (err == nil) != ok {
		t.Errorf("%q: we read %s %v, tmux %q", words, show(ours), err, said)
		return
	}
	if !ok {
		w.refused++
		return
	}
	if len(ours) > 1 {
		w.several++
	}
	if got := boundCommands(string(bound)); got != len(ours) {
		t.Errorf("%q: we read %d commands, %s, tmux %d: %s", words, len(ours), show(ours), got, bound)
	}
}

// TestWordsReadAsTmuxReadsThem gives tmux and us the same words.
func TestWordsReadAsTmuxReadsThem(t *testing.T) {
	w := startWording(t, time.Duration(soak.N(240, 3))*time.Minute)
	r := rand.New(rand.NewPCG(3, 4))
	const batch = 200
	rounds := soak.N(10_000_000, 100_000) / batch
	for range rounds {
		var all [][]string
		var lines []string
		for range batch {
			words := randomWords(r)
			if asked := w.lines(words); asked != nil {
				all = append(all, words)
				lines = append(lines, asked...)
			}
		}
		w.c.send(lines...)
		for _, words := range all {
			w.compare(t, words)
		}
	}
	t.Logf("%d lines of words compared, %d with several commands, %d refused by both", rounds*batch, w.several, w.refused)
	if w.several == 0 || w.refused == 0 {
		t.Error("nothing of what is to be compared came up")
	}
}

// FuzzArgvAgainstTmux gives them what a fuzzer likes.
func FuzzArgvAgainstTmux(f *testing.F) {
	for _, seed := range []string{
		"send\x00a", "send\x00x\x00;\x00has", "send\x00b;\x00lsp\x00-a", "kill-p\x00-at%1\x00\\;\x00x", "send\x00{\x00a\x00}\x00;\x00send\x00b",
		";\x00;", "new\x00-e\x00A=b", "new\x00-A-", "neww\x00--\x00-d", "send\x00-t\x00\x00;;\x00x",
	} {
		f.Add(seed)
	}
	w := startWording(f, time.Hour)
	full, _ := CommandNames(w.v)
	f.Fuzz(func(t *testing.T, s string) {
		words := strings.Split(s, "\x00")
		if len(words) < 2 || len(s) > 4096 || slices.ContainsFunc(full, func(name string) bool { return strings.Contains(s, name) }) {
			return // one word is read as a line, and a full name could be an argument
		}
		ours, err := ParseArgv(words, ParseOptions{Version: w.v})
		if err == nil && len(ours) == 0 || slices.ContainsFunc(ours, func(inv *Invocation) bool { return len(inv.Nested()) > 0 || !counted(inv.Row.Name) }) {
			return // nothing that could be bound, or what is shown of it holds names of others
		}
		if lines := w.lines(words); lines != nil {
			w.c.t = t
			w.c.send(lines...)
			w.compare(t, words)
		}
	})
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
		if FindCommand(word) != nil && counted(word) {
			n++
		}
	}
	return n
}

// counted is false of the names that are in each such list.
func counted(name string) bool { return name != "bind-key" && name != "choose-tree" }
