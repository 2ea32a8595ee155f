package tmux

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// guestValues are values for each kind of position that a guest may fill, and
// whether they are taken there.
var guestValues = map[Kind]map[string]bool{
	Number: {
		"1": true, "10": true, "007": true, "": false, "x": false, "1e3": false, "-1": false, "+1": false, "1 ": false, " 1": false,
		"1\n": false, "1,2": false, "0x10": false, "١": false, "#{pid}": false, "#(id)": false, "1#(id)": false, "#{l:1}": false,
		"99999999999999999999": false, "10%": false, "-": false,
	},
	Percent: {"1": true, "10%": true, "": false, "%": false, "10%%": false, "-1": false, "#(id)%": false, "10%#(id)": false, "10%\n": false},
	Line: {
		"-": true, "0": true, "-10": true, "+10": true, "": false, "--": false, "+": false, "-#(id)": false, "#{l:1}": false,
		"-1\n": false, "-99999999999": false, "1%": false,
	},
	NewName: {
		"": true, "work": true, "a b-c_d./e@f+g,h=i1": true, "wörk": true, "作業": true, "नमस्ते": true, "٣": true,
		"a'": false, `a"`: false, "a`": false, "a;": false, "a$": false, `a\`: false, "a{": false, "a}": false, "a#": false, "a~": false,
		"a%": false, "a(": false, "a)": false, "a[": false, "a*": false, "a?": false, "a!": false, "a|": false, "a&": false, "a<": false,
		"a>": false, "a^": false, "a:": false, "a\n": false, "a\t": false, "a\x1b": false, "a\x00": false, "a\xff": false, "a\ufffd": false,
		"a\u202e": false, "a\u00a0b": false, "a\u2028": false, "-x": false, "=x": false, "@1": false, "+": false,
	},
	KeyTable:   {"copy-mode-vi": true, "a'": false, "#(id)": false, "-x": false},
	Word:       {"time": true, "PATH": true, "": false, "#(id)": false, "a b": false, "a;": false, "-": true, "a=b": false},
	OptionName: {"status-left": true, "@x": true, "update-environment[3]": true, "": false, "#(id)": false, "#{pid}": false, "status[]": false},
	BufferName: {"clip": true, "muxward": true, "muxward-": false, "muxward-X": false, "a'": false, "#(id)": false, "-x": false},
}

// given fills one position of a row with a value: a flag, or the argument.
func given(row *Command, f *Flag, value string) *Invocation {
	inv := &Invocation{Row: row}
	if f == nil {
		inv.Args = []string{value}
		if row.First != NoValue {
			inv.Args = []string{"x", value}
		}
	} else {
		inv.Flags = []FlagValue{{f.Letter, f.Kind != NoValue, value}}
	}
	return inv
}

// TestGuestValues: in every position of the table a guest's number is a
// number, their name is words, and what is withheld from them is refused.
func TestGuestValues(t *testing.T) {
	tried := map[Kind]int{}
	try := func(row *Command, f *Flag, kind Kind, most int) {
		if f != nil && f.Withheld != "" {
			if err := given(row, f, "1").CheckGuest(); err == nil || !strings.Contains(err.Error(), f.Withheld) {
				t.Errorf("%s -%c: %v", row.Name, f.Letter, err)
			}
			return
		}
		for value, ok := range guestValues[kind] {
			tried[kind]++
			err := given(row, f, value).CheckGuest()
			if (err == nil) != ok {
				t.Errorf("%s %v %q: %v", row.Name, f, value, err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), row.Name+" ") {
				t.Errorf("%q does not say where it is wrong", err)
			}
		}
		if most > 0 && given(row, f, "999999999").CheckGuest() == nil {
			t.Errorf("%s -%c has no bound", row.Name, f.Letter)
		}
	}
	for _, row := range Commands() {
		if row.Withheld != "" {
			if err := (&Invocation{Row: row}).CheckGuest(); err == nil || !strings.Contains(err.Error(), row.Withheld) {
				t.Errorf("%s: %v", row.Name, err)
			}
			continue
		}
		for i := range row.Flags {
			try(row, &row.Flags[i], row.Flags[i].Kind, row.Flags[i].Max)
		}
		try(row, nil, row.Args, 0)
		for value, ok := range guestValues[row.First] {
			if err := (&Invocation{Row: row, Args: []string{value}}).CheckGuest(); (err == nil) != ok {
				t.Errorf("%s %q: %v", row.Name, value, err)
			}
		}
	}
	for _, kind := range []Kind{Number, Percent, Line, NewName, BufferName, KeyTable, Word} {
		if tried[kind] == 0 {
			t.Errorf("no position of kind %d was tried", kind)
		}
	}
}

// TestGuestKinds: what a guest writes as free text goes to tmux only where it
// chooses among the rows of a listing, or is content: nothing of that is ever
// expanded. What tmux runs or reads later takes the right to run a shell.
func TestGuestKinds(t *testing.T) {
	later := []Kind{NestedCommands, Shell, ShellFormat, Glob}
	for _, row := range Commands() {
		for i := range max(len(row.Flags), 1) {
			var given Invocation
			given.Row, given.Args = row, []string{"x", "x", "x"}
			kinds := []Kind{row.Args, row.First}
			if i < len(row.Flags) {
				given.Flags = []FlagValue{{Letter: row.Flags[i].Letter}}
				kinds = append(kinds, row.Flags[i].Kind)
			}
			for _, kind := range kinds {
				if slices.Contains(later, kind) && !slices.Contains(given.Needs(), Need{Verb: verbExecute, On: OnServer}) {
					t.Errorf("%s: a guest without the right to run a shell has one run", show([]*Invocation{&given}))
				}
			}
		}
		for _, f := range row.Flags {
			free := f.Kind == Text
			if free && f.Withheld == "" && row.Withheld == "" && !strings.HasPrefix(row.Name, "list-") {
				t.Errorf("%s -%c: a guest's text goes to tmux as it stands", row.Name, f.Letter)
			}
		}
		if row.Args == Text || row.Args == FormatValue && row.Withheld+row.Refused == "" {
			t.Errorf("%s: a guest's text goes to tmux as it stands", row.Name)
		}
	}
}

func TestLimits(t *testing.T) {
	for value, ok := range map[string]bool{"1": true, "1000": true, "1001": false, "1000000000": false, "0": false, "x": false, "-1": false, "": false} {
		err := mustParse(t, "send-keys", "-N", value, "x").CheckGuest()
		if (err == nil) != ok {
			t.Errorf("-N %q: %v", value, err)
		}
	}
}

// TestGuestNames: whatever a guest's name is made of, no character of it means
// anything to tmux's command language, formats or a shell.
func TestGuestNames(t *testing.T) {
	const meaning = "\"'`;$\\{}#~%*?[]()<>|&!^:\n\t\r\x00\x1b\x7f"
	for range 20000 {
		name := make([]rune, 1+rand.IntN(6))
		for i := range name {
			if name[i] = rune(rand.IntN(0x180)); rand.IntN(8) == 0 {
				name[i] = rune(rand.IntN(0x11000))
			}
		}
		if s := string(name); checkName(s) == nil && strings.ContainsAny(s, meaning) {
			t.Fatalf("%q is taken for a name", s)
		}
	}
}

func TestGuestLayouts(t *testing.T) {
	for body, ok := range map[string]bool{"1000x500,0,0,1": true, "1001x24,0,0,1": false, "80x501,0,0,1": false} {
		inv := mustParse(t, "select-layout", signed(body))
		if err := inv.CheckLayout(v33a); err != nil {
			t.Error(err)
		}
		if err := inv.CheckGuest(); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}
