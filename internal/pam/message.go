package pam

// version is that of the frames. Two sides of different ones do not talk.
const version = 1

// Bounds of what goes over the line. [maxAnswer] is what libpam's own programs keep to
// (PAM_MAX_RESP_SIZE, with the NUL behind it).
const (
	maxFrame  = 16 << 10
	maxText   = 4 << 10
	maxAnswer = 511
)

// number tells a kind of message.
type number byte

const (
	numHello  number = 1 // from the process, first
	numBegin  number = 2 // to it, once
	numSay    number = 3 // from it: a prompt, or something to read
	numAnswer number = 4 // to it, to each prompt
	numEnd    number = 5 // from it, last
)

// hello says which frames a side speaks. It stays as it is in every version.
type hello struct {
	Version int `json:"version"`
}

// begin says who is to be asked for.
type begin struct {
	Version int    `json:"version"`
	Service string `json:"service"`
	Account string `json:"account"`
	// From is the address that the person comes from (PAM_RHOST).
	From string `json:"from"`
}

// Style is how something is said to a person.
type Style string

// What PAM says: questions whose answer is shown or not, and texts.
const (
	Shown  Style = "shown"
	Hidden Style = "hidden"
	Info   Style = "info"
	Wrong  Style = "error"
)

// asks reports whether an answer is waited for.
func (s Style) asks() bool { return s == Shown || s == Hidden }

func (s Style) known() bool { return s.asks() || s == Info || s == Wrong }

// say is one thing that PAM says. Text is bytes: modules need not write UTF-8.
type say struct {
	Style Style  `json:"style"`
	Text  []byte `json:"text"`
	// In says that the account is proved, and that this is about what comes then, as
	// that its password has expired.
	In bool `json:"in"`
}

type answer struct {
	Text []byte `json:"text"`
}

// end says how it went.
type end struct {
	OK bool `json:"ok"`
	// Account is PAM_USER as it was behind the last module.
	Account []byte `json:"account"`
	// Step and Why tell where it failed, for the log.
	Step string `json:"step"`
	Why  []byte `json:"why"`
}
