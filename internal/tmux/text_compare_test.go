package tmux

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// reading compares what is parsed here with what a real server says it parsed:
// source-file -n -v reads a file, prints its commands and runs none of them.
type reading struct {
	t       testing.TB
	srv     *realServer
	c       *control
	file    string
	opts    ParseOptions
	unknown bool // a condition was asked whose answer is not known here

	asked, same, refused, skipped int
}

func startReading(t testing.TB) *reading {
	t.Helper()
	srv := startServer(t)
	srv.limit = time.Hour // one client asks everything
	r := &reading{t: t, srv: srv, c: srv.control("start"), file: filepath.Join(filepath.Dir(srv.sock), "text")}
	for _, line := range []string{
		"set-option -s command-alias ''",
		"refresh-client -f no-output", // what is drawn in the pane is no answer, whoever writes to its terminal
	} {
		if out, ok := r.c.ask(line); !ok {
			t.Fatalf("%s: %s", line, out)
		}
	}
	var err error
	if r.opts.Version, err = ParseVersion(srv.run("display-message", "-p", "#{version}")); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	out, _ := r.c.ask("show-environment -g")
	for line := range strings.SplitSeq(out, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	r.opts.Expand = &Expansion{
		Variable: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Home: func(name string) (string, bool) {
			u, err := user.Lookup(name)
			if name == "" || err != nil {
				return "", false
			}
			return u.HomeDir, true
		},
		Condition: r.condition,
	}
	return r
}

// condition answers for formats that are constant.
func (r *reading) condition(format string) bool {
	switch format {
	case "#{==:a,a}":
		return true
	case "#{==:a,b}":
		return false
	}
	r.unknown = r.unknown || strings.ContainsAny(format, "#")
	return format != "" && format != "0"
}

// theirs returns what the server printed for the text, without the places.
func (r *reading) theirs(how, text string) []string {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	var raw []string
	if r.opts.Version.AtLeast(v36) {
		// From 3.6 on a control client is not told.
		out, _ := r.srv.tryRun("source-file", "-q"+how[1:], r.file)
		if out != "" {
			raw = strings.Split(out, "\n")
		}
	} else {
		raw = r.printed("source-file -q" + how[1:] + " " + r.file)
	}
	for i, line := range raw {
		rest, found := strings.CutPrefix(line, r.file+":")
		if _, after, _ := strings.Cut(rest, ": "); found {
			raw[i] = after
		}
	}
	return raw
}

// printed returns all that a command prints, also what it prints after it has
// ended and what the commands print that it runs.
func (r *reading) printed(line string) []string {
	r.t.Helper()
	r.asked++
	marker := fmt.Sprintf("end of %d", r.asked)
	r.c.send(line, "display-message -p '"+marker+"'")
	var lines []string
	for {
		line, err := r.c.out.ReadString('\n')
		if err != nil {
			r.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == marker {
			break
		}
		if !strings.HasPrefix(line, "%begin ") && !strings.HasPrefix(line, "%end ") && !strings.HasPrefix(line, "%error ") {
			lines = append(lines, line)
		}
	}
	if line, err := r.c.out.ReadString('\n'); err != nil || !strings.HasPrefix(line, "%end ") {
		r.t.Fatal(line, err)
	}
	return lines
}

// attach makes the server serve this test, or this round of fuzzing.
func (r *reading) attach(t testing.TB) { r.t, r.srv.t, r.c.t = t, t, t }

// ours reports whether a refusal is for a reason that tmux does not have.
func ours(err *TextError, v Version) bool {
	switch err.Reason {
	case NotOffered, BadAlias, TooMany, NotExpanded, Unreadable:
		return true
	case BadFlag:
		// A value that is missing is refused here, whatever a version makes of it.
		return v == Reference() && strings.HasSuffix(err.Text, "expects an argument")
	}
	return false
}

func (r *reading) compare(text string) {
	r.t.Helper()
	r.compareAs(r.t, "-nv", text)
}

// usesAssigned reports whether a text may use a variable that it sets itself.
func usesAssigned(text string, parsed *CommandText, err *TextError) bool {
	var set []Assignment
	if err != nil {
		set = err.Assignments
	} else {
		set = parsed.Assignments
	}
	return slices.ContainsFunc(set, func(a Assignment) bool {
		return strings.Contains(text, "$"+a.Name) || strings.Contains(text, "${"+a.Name)
	})
}

// compareAs has the server read the text with these flags and reports a
// difference to t.
func (r *reading) compareAs(t interface{ Fatalf(string, ...any) }, how, text string) {
	r.t.Helper()
	r.unknown = false
	parsed, err := ParseText(text, r.opts)
	switch {
	case r.unknown:
		r.skipped++
		return
	case err != nil && ours(err, r.opts.Version):
		r.refused++
		return
	}
	if err != nil && r.opts.Version == Oldest() && strings.Contains(text, "{") {
		r.skipped++ // see below: the error comes later there
		return
	}
	if strings.Contains(how, "n") && usesAssigned(text, parsed, err) {
		r.skipped++ // tmux sets nothing while it only parses
		return
	}
	lines := r.theirs(how, text)
	if err != nil {
		if !sameError(err.Text, strings.Join(lines, "\n"), r.opts.Version) {
			t.Fatalf("%q:\nrefused here: %v\ntmux:         %q", text, err, lines)
		}
		r.same++
		return
	}
	want := printed(nil, parsed.Commands, r.opts.Version)
	if r.opts.Version.AtLeast(v34) && !r.opts.Version.AtLeast(v37) {
		for i := range lines { // they print "--" behind a flag that came without the value it may have
			lines[i] = strings.TrimSuffix(lines[i], " --")
		}
	}
	if r.opts.Version == Oldest() && hasBlocks(parsed.Commands) {
		// There a block becomes a string at once. It is parsed in the same way
		// later, but not printed alike.
		r.skipped++
		return
	}
	if strings.Join(want, "\n") != strings.Join(lines, "\n") {
		if strings.ContainsFunc(strings.Join(lines, ""), func(r rune) bool { return r > unicode.MaxASCII && !unicode.IsPrint(r) || r == utf8.RuneError }) {
			// How such a character is printed is left to the C library.
			r.skipped++
			return
		}
		if asBytes(want) == asBytes(lines) { // and so is which characters it knows
			r.skipped++
			return
		}
		t.Fatalf("%q:\nparsed here: %q\ntmux:        %q", text, want, lines)
	}
	r.same++
}

// asBytes has each byte of what is not ASCII in octal.
func asBytes(lines []string) string {
	var b strings.Builder
	for _, c := range []byte(strings.Join(lines, "\n")) {
		if c <= unicode.MaxASCII {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return b.String()
}

func hasBlocks(all []*Invocation) bool {
	for _, inv := range all {
		if len(inv.Blocks) > 0 {
			return true
		}
	}
	return false
}

// sameError compares a refusal with what tmux printed last.
func sameError(text, printed string, v Version) bool {
	if v == Oldest() {
		// It has fewer words for what is wrong.
		for _, word := range []string{"usage: ", "too ", "syntax error", "unknown", "ambiguous", "invalid"} {
			if strings.Contains(printed, word) {
				return true
			}
		}
	}
	if strings.HasSuffix("\n"+printed, "\n"+text) {
		return true
	}
	// Synopses differ by version, and newer ones escape what they print.
	start := strings.IndexFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) || r == utf8.RuneError || r == '$' || r == '['
	})
	return start >= 0 && strings.Contains(printed, text[:start])
}

// printed is what source-file -v prints for commands: a line for each group,
// and before it those of the blocks in it.
func printed(lines []string, all []*Invocation, v Version) []string {
	for i := 0; i < len(all); {
		var group []string
		first := all[i].Group
		for ; i < len(all) && all[i].Group == first; i++ {
			for _, b := range all[i].Blocks {
				lines = printed(lines, b.Commands, v)
			}
			group = append(group, canonical(all[i], v))
		}
		lines = append(lines, strings.Join(group, " ; "))
	}
	return lines
}

// canonical writes a command as tmux prints it.
func canonical(inv *Invocation, v Version) string {
	words := []string{inv.Row.Name}
	flags := append([]FlagValue(nil), inv.Flags...)
	sort.SliceStable(flags, func(i, k int) bool { return flags[i].Letter < flags[k].Letter })
	cluster := ""
	for _, f := range flags {
		if !f.HasValue {
			cluster += string(rune(f.Letter))
		}
	}
	if cluster != "" {
		words = append(words, "-"+cluster)
	}
	for _, f := range flags {
		if f.HasValue {
			words = append(words, "-"+string(rune(f.Letter)), canonicalWord(f.Value, v))
		}
	}
	for i, arg := range inv.Args {
		if b := inv.block(i); b != nil {
			words = append(words, "{ "+canonicalAll(b.Commands, v)+" }")
		} else {
			words = append(words, canonicalWord(arg, v))
		}
	}
	return strings.Join(words, " ")
}

func canonicalAll(all []*Invocation, v Version) string {
	var b strings.Builder
	for i, inv := range all {
		switch {
		case i == 0:
		case inv.Group == all[i-1].Group:
			b.WriteString(" ; ")
		default:
			b.WriteString(" ;; ")
		}
		b.WriteString(canonical(inv, v))
	}
	return b.String()
}

func canonicalWord(s string, v Version) string {
	special := " #';${}%"
	if v == Oldest() {
		special = " #';${}"
	}
	quote := ""
	switch {
	case s == "":
		return "''"
	case strings.ContainsAny(s, special):
		quote = `"`
	case strings.Contains(s, `"`):
		quote = "'"
	}
	if len(s) == 1 && s != " " && (quote != "" || s == "~") {
		return `\` + s
	}
	out := escaped(s, quote, v)
	if out[0] == '~' && quote != "'" {
		out = `\` + out
	}
	return quote + out + quote
}

func escaped(s, quote string, v Version) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if n > 1 && unicode.IsPrint(r) {
			b.WriteString(s[i : i+n])
			i += n
			continue
		}
		c := s[i]
		i++
		named := strings.IndexByte("\n\r\b\a\v\t\f", c)
		switch {
		case c == '$' && i < len(s) && (!v.AtLeast(v35) || quote == `"`):
			if next := s[i]; next == '_' || next == '{' || alnum(next) && next > '9' {
				b.WriteByte('\\')
				if v == v34 {
					b.WriteByte('\\')
				}
			}
			b.WriteByte('$')
		case c == '\\', c == '"' && quote == `"`:
			b.WriteByte('\\')
			b.WriteByte(c)
		case named >= 0:
			b.WriteByte('\\')
			b.WriteByte("nrbavtf"[named])
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
