package tmux

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// goldens holds what list-commands prints, one file for each version.
const goldens = "testdata/list-commands"

// goldenVersions are those that have one.
func goldenVersions() []string { return []string{"3.2a", "3.3a", "3.4", "3.5a", "3.6b", "3.7c"} }

// unlisted are flags that tmux takes and does not print in its synopsis, of
// some version at least; TestTableAgainstTmux shows that it takes them.
var unlisted = map[string]string{
	"choose-buffer": "y", "choose-client": "y", "choose-tree": "y", "customize-mode": "y", "join-pane": "p", "list-buffers": "r",
	"list-clients": "r", "load-buffer": "w", "move-pane": "p", "new-pane": "EL", "refresh-client": "F", "run-shell": "s",
	"select-pane": "gP", "split-window": "pE", "switch-client": "F",
}

// imaginary are flags that tmux prints and does not take.
var imaginary = map[string]string{"server-access": "t"}

// misprinted are flags for which a version prints a value that it does not
// take.
var misprinted = map[string]string{"3.2a display-message": "c"}

// listed is one command as list-commands prints it.
type listed struct {
	name, alias, usage string
	flags              map[byte]bool // whether it takes a value
}

// parseListed reads a line such as "kill-pane (killp) [-a] [-t target-pane]".
func parseListed(t *testing.T, line string) listed {
	t.Helper()
	var l listed
	l.name, l.usage, _ = strings.Cut(line, " ")
	if strings.HasPrefix(l.usage, "(") {
		l.alias, l.usage, _ = strings.Cut(l.usage[1:], ")")
	}
	l.usage = strings.TrimSpace(l.usage)
	l.flags = map[byte]bool{}
	for rest := l.usage; ; {
		_, after, ok := strings.Cut(rest, "[-")
		if !ok {
			return l
		}
		inside, after, ok := strings.Cut(after, "]")
		if !ok {
			t.Fatalf("%s: no end of %q", l.name, inside)
		}
		rest = after
		letters, value, takes := strings.Cut(strings.ReplaceAll(inside, "|-", ""), " ")
		if takes && (len(letters) != 1 || value == "") || letters == "" {
			t.Fatalf("%s: cannot read [-%s]", l.name, inside)
		}
		for i := range len(letters) {
			if !alnum(letters[i]) {
				t.Fatalf("%s: -%c in [-%s]", l.name, letters[i], inside)
			}
			// Some synopses name a flag twice, bare and with its value.
			l.flags[letters[i]] = l.flags[letters[i]] || takes
		}
	}
}

func parseGolden(t *testing.T, text string) []listed {
	t.Helper()
	var all []listed
	for line := range strings.Lines(text) {
		all = append(all, parseListed(t, strings.TrimSuffix(line, "\n")))
	}
	return all
}

// compareListed compares the table with what a version prints: every name in
// its order, every alias, and for what muxward offers every flag. What it does
// not offer has to be refused by name.
func compareListed(t *testing.T, v Version, text string) (offers, not int) {
	t.Helper()
	var full, alias []string
	for _, l := range parseGolden(t, text) {
		full, alias = append(full, l.name), append(alias, l.alias)
		row := FindCommand(l.name)
		if row == nil {
			not++
			_, err := ParseArgv([]string{l.name}, ParseOptions{Version: v})
			if err == nil || err.Reason != NotOffered || !strings.Contains(err.Text, l.name+": not offered by muxward") {
				t.Errorf("%s: %s has no row and is refused with %v", v, l.name, err)
			}
			continue
		}
		offers++
		compareRow(t, v, row, l)
	}
	haveFull, haveAlias := CommandNames(v)
	if !reflect.DeepEqual(haveFull, full) || !reflect.DeepEqual(haveAlias, alias) {
		t.Errorf("%s: names differ:\n%q %q\n%q %q", v, haveFull, haveAlias, full, alias)
	}
	return offers, not
}

func compareRow(t *testing.T, v Version, row *Command, l listed) {
	t.Helper()
	if row.Alias != l.alias {
		t.Errorf("%s: %s has the alias %q, in tmux %q", v, row.Name, row.Alias, l.alias)
	}
	if usage := row.UsageIn(v); usage != l.usage {
		t.Errorf("%s: %s has %q, in tmux %q", v, row.Name, usage, l.usage)
	}
	for letter, takes := range l.flags {
		f := row.Flag(letter)
		if strings.Contains(imaginary[row.Name], string(letter)) {
			continue
		}
		if f == nil {
			t.Errorf("%s: %s -%c is not classified", v, row.Name, letter)
			continue
		}
		if strings.Contains(misprinted[v.String()+" "+row.Name], string(letter)) {
			takes = false
		}
		// One that may be left out is printed as if there were none.
		if known, value := f.knows(v); !known || value != takes && !(value && f.Optional) {
			t.Errorf("%s: %s -%c: known %v value %v, in tmux value %v", v, row.Name, letter, known, value, takes)
		}
	}
	for _, f := range row.Flags {
		_, printed := l.flags[f.Letter]
		if known, _ := f.knows(v); known && !printed && !strings.Contains(unlisted[row.Name], string(f.Letter)) {
			t.Errorf("%s: %s -%c is in the table and not in tmux's synopsis", v, row.Name, f.Letter)
		}
	}
}

// TestTableAgainstSixVersions: the table says of each known version what that
// version says of itself.
func TestTableAgainstSixVersions(t *testing.T) {
	for _, text := range goldenVersions() {
		data, err := os.ReadFile(filepath.Join(goldens, text+".txt"))
		if err != nil {
			t.Error(err)
			continue
		}
		offers, not := compareListed(t, mustVersion(t, text), string(data))
		t.Logf("%s: %d commands compared, %d not offered", text, offers, not)
		if full, _ := CommandNames(mustVersion(t, text)); offers != len(full) {
			t.Errorf("%s: %d of %d commands of this version have a row", text, offers, len(full))
		}
	}
	for name, letters := range unlisted {
		for i := range len(letters) {
			if FindCommand(name).Flag(letters[i]) == nil {
				t.Errorf("%s -%c is not classified", name, letters[i])
			}
		}
	}
	files, err := filepath.Glob(goldens + "/*.txt")
	if err != nil || len(files) != len(goldenVersions()) {
		t.Errorf("%q %v: some are not compared", files, err)
	}
}

// TestEverySpelling: however a command is written (by its name, by each start
// of it, by its alias) and whatever letter follows as a flag, it is read as
// the full name with that flag is, needs the same verbs, or is refused alike.
// What a spelling means is worked out from what tmux lists, and so is which
// flags there are: what is ambiguous, unknown or not classified is refused.
func TestEverySpelling(t *testing.T) {
	cases := 0
	for _, text := range goldenVersions() {
		data, err := os.ReadFile(filepath.Join(goldens, text+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		s := spellings{t: t, v: mustVersion(t, text), all: parseGolden(t, string(data))}
		words := map[string]bool{}
		for _, l := range s.all {
			words[l.alias] = l.alias != ""
			for n := 1; n <= len(l.name); n++ {
				words[l.name[:n]] = true
			}
		}
		for word, is := range words {
			if is {
				s.check(word)
			}
		}
		t.Logf("%s: %d cases", text, s.cases)
		cases += s.cases
	}
	if cases < 4000 {
		t.Errorf("%d cases, want 4,000 at least", cases)
	}
}

// spellings are the ways to write the commands of one version.
type spellings struct {
	t     *testing.T
	v     Version
	all   []listed
	cases int
}

// means is the command that a word stands for, nil if there is none or more
// than one.
func (s *spellings) means(word string) (found *listed, why Reason) {
	why = UnknownCommand
	for i := range s.all {
		l := &s.all[i]
		switch {
		case l.alias == word || l.name == word:
			return l, 0
		case strings.HasPrefix(l.name, word) && why == 0:
			found, why = nil, AmbiguousCommand
		case strings.HasPrefix(l.name, word) && why == UnknownCommand:
			found, why = l, 0
		}
	}
	return found, why
}

// check writes a word with every letter and digit as a flag.
func (s *spellings) check(word string) {
	s.t.Helper()
	l, why := s.means(word)
	if why == 0 && FindCommand(l.name) == nil {
		why = NotOffered
	}
	for letter := byte('0'); letter <= 'z'; letter++ {
		if !alnum(letter) {
			continue
		}
		s.cases++
		words := []string{word, "-" + string(letter)}
		if why != 0 {
			if _, err := ParseArgv(words, ParseOptions{Version: s.v}); err == nil || err.Reason != why {
				s.t.Errorf("%s: %q: %v, want refused for reason %d", s.v, words, err, why)
			}
			continue
		}
		s.compare(words, l, letter)
	}
}

// compare reads a spelling and the full name, and both as what the version
// says of that flag.
func (s *spellings) compare(words []string, l *listed, letter byte) {
	s.t.Helper()
	takes, known := l.flags[letter]
	known = known && !strings.Contains(imaginary[l.name], string(letter))
	if strings.Contains(misprinted[s.v.String()+" "+l.name], string(letter)) {
		takes = false
	}
	f := FindCommand(l.name).Flag(letter)
	if f != nil && !known && strings.Contains(unlisted[l.name], string(letter)) {
		known, takes = f.knows(s.v)
	}
	if takes {
		words = append(words, "7")
	}
	for range FindCommand(l.name).MinArgs {
		words = append(words, "x")
	}
	opts := ParseOptions{Version: s.v}
	got, err := ParseArgv(words, opts)
	want, wantErr := ParseArgv(append([]string{l.name}, words[1:]...), opts)
	if !known {
		if err == nil || err.Reason != BadFlag {
			s.t.Errorf("%s: %q: %s %v, but no flag -%c is known", s.v, words, show(got), err, letter)
		}
		return
	}
	if err != nil || wantErr != nil || len(got) != 1 || len(want) != 1 {
		s.t.Errorf("%s: %q: %v, by the full name %v", s.v, words, err, wantErr)
		return
	}
	if show(got) != show(want) || got[0].Row.Name != l.name || !slices.Equal(got[0].Needs(), want[0].Needs()) {
		s.t.Errorf("%s: %q is %s and needs %v, by the full name %s and %v", s.v, words, show(got), got[0].Needs(), show(want), want[0].Needs())
	}
	if !got[0].Has(letter) || takes != (f.Kind != NoValue && got[0].Flags[0].HasValue) {
		s.t.Errorf("%s: %q: %s", s.v, words, show(got))
	}
	for _, n := range f.Needs {
		if !slices.Contains(got[0].Needs(), n) {
			s.t.Errorf("%s: %q does not need %v", s.v, words, n)
		}
	}
}
