package tmux

import "strings"

// Command is one row of the command table: everything that is known about one
// tmux command. A command without a row is refused by name.
type Command struct {
	Name  string // full name, such as "kill-pane"
	Alias string // short name, such as "killp", or empty
	Usage string // synopsis after the name, as 3.3a prints it

	Flags   []Flag     // every flag of every known version
	Args    Kind       // what the positional arguments are
	First   Kind       // what the first of them is, where it is not what the others are
	MinArgs int        // fewest positional arguments
	MaxArgs int        // most positional arguments, -1 for any number
	Open    Version    // first version that takes any number of them; zero for none
	Spare   [2]Version // from the first on, and before the second, one more is taken and not looked at
	Target  Lookup     // how -t (or its absence) finds what the command acts on
	Source  Lookup     // how -s (or its absence) finds what the command takes from
	Needs   []Need     // needed whatever the flags are
	// shares: it changes which windows a session has, and so those of its group.
	shares bool
	extra  extraFor // needs that depend on values
	// Withheld is set if the command is not for people who do not hold every
	// verb on the server, whatever else they hold: it says why.
	Withheld string
	// Starts is set if a client that is given the command starts a server where
	// none runs.
	Starts bool
	// Refused is set if nobody is given the command: it says what takes its
	// place.
	Refused string
}

// extraFor adds the needs of an invocation that no single flag decides.
type extraFor func(*Invocation) []Need

// Flag is one flag of a command.
type Flag struct {
	Letter     byte
	Kind       Kind    // NoValue for a flag that takes no value
	Since      Version // first version that knows it; zero for all
	Until      Version // first version that does not know it any more; zero for none
	ValueSince Version // first version that takes a value; zero for all
	ValueUntil Version // first version that takes no value any more; zero for none
	Optional   bool    // the value may be left out at the very end
	Max        int     // greatest number for those who do not hold every verb; 0 for none
	Needs      []Need  // needed when the flag is given
	// Withheld is set if the flag is not for people who do not hold every verb
	// on the server, whatever else they hold: it says what to do instead.
	Withheld string
}

// Kind says what a value of a flag or argument is to tmux: whether it is taken
// as it stands, expanded as a format, or names something.
type Kind uint8

// The kinds of values.
const (
	NoValue        Kind = iota
	Text                // taken literally
	Number              // how many, or how much
	Percent             // how much, of cells or in percent
	Line                // a line of a pane, from its top; negative in its history, "-" for an end
	FormatValue         // expanded as a format by tmux: see [EscapeFormat]
	NewName             // a name or title that is given; expanded as a format by tmux
	Layout              // a layout's name, or a layout as tmux writes it: see [Invocation.CheckLayout]
	OutFormat           // a format for what is printed (-F)
	Filter              // a format that chooses rows (-f)
	TargetValue         // names a session, window or pane: see [Resolve]
	ClientValue         // names a client: see [ResolveClient]
	BufferName          // names a paste buffer, literal
	KeyTable            // names a key table, literal
	Path                // expanded as a format, then opened by the client
	Shell               // run by a shell
	ShellArgs           // one argument for a shell, several as an argument vector
	Env                 // NAME=VALUE for a new pane's environment
	ClientFlags         // comma separated flags of a client (-f of attach)
	Keys                // key names or text typed into a pane
	CommandName         // names a tmux command
	Content             // kept or passed on exactly as it is
	Word                // one of tmux's own words
	OptionName          // names an option or a hook; expanded as a format by tmux
	NestedCommands      // tmux commands, which tmux reads when their time comes
	ShellFormat         // expanded as a format by tmux, then run by a shell
	Glob                // a pattern of paths, opened by the client
)

// Expanded reports whether tmux expands values of this kind as a format, so
// that text of people who do not hold every verb must be escaped first.
func (k Kind) Expanded() bool {
	switch k {
	case FormatValue, NewName, OutFormat, Filter, Path, OptionName, ShellFormat:
		return true
	}
	return false
}

// argKind says what the argument at a place is.
func (c *Command) argKind(at int) Kind {
	if at == 0 && c.First != NoValue {
		return c.First
	}
	return c.Args
}

// most is how many arguments version v takes, -1 for any number.
func (c *Command) most(v Version) int {
	if !c.Open.IsZero() && v.AtLeast(c.Open) {
		return -1
	}
	if !c.Spare[1].IsZero() && v.AtLeast(c.Spare[0]) && !v.AtLeast(c.Spare[1]) {
		return c.MaxArgs + 1
	}
	return c.MaxArgs
}

// Lookup is how a command finds what it acts on.
type Lookup struct {
	Kind  TargetKind
	Flags FindFlags
}

// FindFlags change how a target is looked up.
type FindFlags uint8

// The flags of a look-up, by tmux's names for them.
const (
	CanFail          FindFlags = 1 << iota // an unknown target is no error
	PreferUnattached                       // among several sessions, one nobody is attached to
	WindowIndex                            // an index that no window has yet is fine
	DefaultMarked                          // the default is the marked pane, if there is one
)

// Need is one verb that a command needs on one of its targets. The verbs are
// written as their words (design §4); access turns words into verbs.
type Need struct {
	Verb string
	On   TargetRef
	With string // attribute of the verb, such as "command"; empty for none
}

// TargetRef says which of a command's objects a [Need] is about.
type TargetRef uint8

// What a need can be about.
const (
	OnNothing      TargetRef = iota
	OnServer                 // the server as a whole
	OnSession                // the session of -t
	OnWindow                 // the window of -t
	OnPane                   // the pane of -t
	OnPanes                  // each pane of the window of -t
	OnSource                 // the session of -s
	OnSourceWindow           // the window of -s
	OnSourcePane             // the pane of -s
	OnClient                 // the session of a named client
	OnOthers                 // what -a closes: its siblings (see [Closing])
	OnListed                 // each row that is listed: rows without it are left out
)

// All verbs that rows ask for, as words. A test in access compares them with
// its verbs.
const (
	verbView         = "view"
	verbCopy         = "copy"
	verbType         = "type"
	verbNavigate     = "navigate"
	verbLayout       = "layout"
	verbSpawn        = "spawn"
	verbClosePane    = "close-pane"
	verbCloseWindow  = "close-window"
	verbCloseSession = "close-session"
	verbDetachOthers = "detach-others"
	verbConfigure    = "configure"
	verbExecute      = "execute"
)

// Commands returns the rows of the table, in tmux's order. The rows are shared
// and must not be changed.
func Commands() []*Command { return offered }

// FindCommand returns the row of a full name, or nil.
func FindCommand(name string) *Command { return rowByName[name] }

// Flag returns the flag with this letter, or nil.
func (c *Command) Flag(letter byte) *Flag {
	for i := range c.Flags {
		if c.Flags[i].Letter == letter {
			return &c.Flags[i]
		}
	}
	return nil
}

// knows reports whether version v has the flag, and whether it takes a value
// there.
func (f *Flag) knows(v Version) (known, value bool) {
	if !f.Since.IsZero() && !v.AtLeast(f.Since) {
		return false, false
	}
	if !f.Until.IsZero() && v.AtLeast(f.Until) {
		return false, false
	}
	value = f.Kind != NoValue && (f.ValueSince.IsZero() || v.AtLeast(f.ValueSince)) &&
		(f.ValueUntil.IsZero() || !v.AtLeast(f.ValueUntil))
	return true, value
}

// Getopt returns the flags that version v knows in getopt(3) notation, in the
// order of the row.
func (c *Command) Getopt(v Version) string {
	v = v.orReference()
	var b strings.Builder
	for i := range c.Flags {
		known, value := c.Flags[i].knows(v)
		if !known {
			continue
		}
		b.WriteByte(c.Flags[i].Letter)
		if value {
			b.WriteByte(':')
		}
	}
	return b.String()
}

// TargetKind is the kind of object that a target names.
type TargetKind uint8

// The kinds of targets.
const (
	NoTarget TargetKind = iota
	TargetSession
	TargetWindow
	TargetPane
	TargetClient
)

// String returns the word tmux uses for the kind.
func (k TargetKind) String() string {
	switch k {
	case TargetSession:
		return "session"
	case TargetWindow:
		return "window"
	case TargetPane:
		return "pane"
	case TargetClient:
		return "client"
	}
	return "nothing"
}
