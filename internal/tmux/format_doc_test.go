package tmux

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// offeredModifier is a line of docs/formats.md.
type offeredModifier struct {
	letters string // as [CompileFormatFor] knows it
	form    string
	since   Version
	meaning string
	example string
}

func offeredModifiers() []offeredModifier {
	return []offeredModifier{
		{"=", "`#{=10:x}` `#{=-10:x}` `#{=/10/…:x}`", Version{}, "at most so many columns of the start or the end, with a marker if something was cut", "#{=/10/…:pane_title}"},
		{"p", "`#{p10:x}` `#{p-10:x}`", Version{}, "filled up with spaces, on the right or on the left", "#{p-10:pane_title}"},
		{"n", "`#{n:x}`", Version{}, "length in bytes", "#{n:pane_title}"},
		{"w", "`#{w:x}`", Version{}, "width in columns", "#{w:pane_title}"},
		{"b", "`#{b:x}`", Version{}, "last part of a path", "#{b:pane_current_path}"},
		{"d", "`#{d:x}`", Version{}, "all but the last part of a path", "#{d:pane_current_path}"},
		{"q", "`#{q:x}` `#{q/e:x}` `#{q/h:x}`", Version{}, "quoted for a shell, or for a style", "#{q/e:window_flags}"},
		{"l", "`#{l:text}`", Version{}, "the text as it stands", "#{l:#{x}}"},
		{"a", "`#{a:98}`", Version{}, "the character with this number, 32 to 126", "#{a:98}"},
		{"t", "`#{t:x}` `#{t/p:x}` `#{t/f/%H#:%M/:x}`", Version{}, "a time as text: whole, short, or as strftime(3) writes it", "#{t/f/%H#:%M/:session_created}"},
		{"s", "`#{s/ere/text/:x}` `#{s/ere/text/i:x}`", Version{}, "what matches is replaced; `\\1` to `\\9` are groups that are matched in one way only", "#{s/^(.)/<\\1>/:session_name}"},
		{"m", "`#{m:glob,x}` `#{m/i:…}` `#{m/r:ere,x}` `#{m/ri:…}`", Version{}, "1 if the shell pattern or the regular expression matches", "#{m/ri:^a[0-9]+,#{session_name}}"},
		{"== != < > <= >=", "`#{==:a,b}` `#{!=:a,b}` `#{<:a,b}` `#{>:a,b}` `#{<=:a,b}` `#{>=:a,b}`", Version{}, "compares text", "#{<=:a,b}"},
		{"|| &&", "`#{||:a,b}` `#{&&:a,b}`", Version{}, "or, and; from 3.6 on of any number", "#{&&:a,b}"},
		{"! !!", "`#{!:a}` `#{!!:a}`", v36, "not, and not not", "#{!:a}"},
		{"e", "`#{e|+|:1,2}` `#{e|/|f|4:1,3}`", Version{}, "calculates: `+ - * / m %` and `== != < > <= >=`, with `f` with decimals, and how many", "#{e|/|f|4:1,3}"},
		{"R", "`#{R:a,3}`", v36, "repeated", "#{R:a,3}"},
		{"N", "`#{N:name}` `#{N/s:name}`", Version{}, "1 if a window of the session, or a session, has this name", "#{N/s:two}"},
		{"S W P", "`#{S:…}` `#{W:…,current}` `#{P:…,active}`", Version{}, "once for each session, window of the session, pane of the window; from 3.6 on sorted, as in `#{W/nr:…}`", "#{W:#{window_index},[#{window_index}]}"},
		{"L", "`#{L:…}`", v34, "once for each client", "#{L:#{client_name}}"},
	}
}

// formatsDocument is docs/formats.md.
func formatsDocument() string {
	var b strings.Builder
	b.WriteString(`# Formats and filters for guests

Whoever holds every verb on a server has tmux's own formats there. Everybody
else's formats and filters (` + "`-F`, `-f`, `display-message`" + `) are answered by
muxward, from what that person may see: with tmux's meaning in the version of the
server, byte for byte, for what stands in the tables below. Everything else is
refused by its name: jobs, second expansions (` + "`E:`, `T:`" + `), searches in panes
(` + "`C:`" + `), colours (` + "`c:`" + `), options, and the environment.

- A value is data. Whatever a name or a title contains is never expanded, and
  control characters in it become ` + "`?`" + `.
- Loops, lists and counts cover what the person may see and nothing more.
- Conditions (` + "`#{?a,b,c}`" + `) have any number of pairs from 3.6 on, and the short names
  ` + "`#D #F #H #I #P #S #T #W #h`" + ` work.
- A format has at most ` + fmt.Sprint(maxFormat) + ` bytes and ` + fmt.Sprint(maxFormatDepth) + ` levels, and takes a bounded number of steps.
- Regular expressions are POSIX extended ones, written out: no values in them, no
  escapes of letters, no back references, no collation. A replacement never cuts a
  character into bytes.
- With ` + "`list-… -O`" + ` (3.7) panes are not sorted by activity or ` + "`z`" + `.

The number is the version of tmux from which on something is there.

## Modifiers

| form | since | gives |
|---|---|---|
`)
	for _, m := range offeredModifiers() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(m.form, "|", `\|`), sinceText(m.since), strings.ReplaceAll(m.meaning, "|", `\|`))
	}
	b.WriteString("\n## Variables\n\n")
	for _, group := range variableGroups() {
		slices.SortFunc(group.list, func(a, b formatVariable) int { return strings.Compare(a.name, b.name) })
		var names []string
		for _, v := range group.list {
			name := "`" + v.name + "`"
			if !v.since.IsZero() {
				name += " (" + v.since.String() + ")"
			}
			names = append(names, name)
		}
		fmt.Fprintf(&b, "**%s**: %s\n\n", group.title, strings.Join(names, ", "))
	}
	b.WriteString("Variables of a paste buffer have values for buffers that the person may see.\n")
	return b.String()
}

func sinceText(v Version) string {
	if v.IsZero() {
		return ""
	}
	return v.String()
}

// TestFormatsDocument keeps docs/formats.md in step. Write it anew with
// MUXWARD_UPDATE=1.
func TestFormatsDocument(t *testing.T) {
	const path = "../../docs/formats.md"
	want := formatsDocument()
	if os.Getenv("MUXWARD_UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("docs/formats.md is not what the code offers (%v): run this test with MUXWARD_UPDATE=1", err)
	}
	known := make(map[string]bool)
	for _, m := range offeredModifiers() {
		for letters := range strings.FieldsSeq(m.letters) {
			known[letters] = true
		}
		for _, v := range knownVersions() {
			if _, err := CompileFormatFor(m.example, v); v.AtLeast(m.since) && err != nil {
				t.Errorf("%s: %v", m.example, err)
			}
		}
	}
	// Nothing is offered that is not in the table.
	for c := byte('!'); c <= '~'; c++ {
		for _, name := range []string{string(c), string(c) + string(c), string(c) + "="} {
			_, err := CompileFormatFor("#{"+name+":a#{pane_id},b}", v37)
			list, _, ok := splitMods(name+":a", v37)
			if name != "e" && ok && len(list) == 1 && list[0].name == name && (err == nil) != known[name] {
				t.Errorf("modifier %q: %v, in the table: %t", name, err, known[name])
			}
		}
	}
}
