package grants

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// The answers to a suggestion, beside those that a request has, too. Each is its end.
const (
	Ran       Answer = "run"       // typed, with Enter
	Typed     Answer = "typed"     // and left to whoever has taken it
	Dismissed Answer = "dismissed" // not taken
	Unsure    Answer = "unsure"    // nobody knows whether it was typed: the tmux server has not said
)

// Suggestion is a line that somebody would have typed into a pane by whoever may type
// there. It gives its author nothing, and what becomes of it is the act of who answers it.
// It is kept in memory alone, and never changes but for its end.
type Suggestion struct {
	// ID is drawn at random: what somebody was shown is no other's later.
	ID string `json:"id"`
	// Who suggests, as they came in then.
	Who identity.Identity `json:"-"`
	// On is the pane, Target its name when it was suggested, and Program the process
	// that ran there: what is meant for one program is not typed into another.
	On      access.Object `json:"on"`
	Target  string        `json:"target"`
	Program int           `json:"-"`
	Text    string        `json:"text"`
	// At is when it was suggested, Until when it is over.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Answer, by whom and why.
	Answer Answer `json:"answer"`
	By     string `json:"by,omitempty"`
	Why    string `json:"why,omitempty"`
}

// End gives the suggestion as it is at its end.
func (s Suggestion) End(a Answer, by, why string) Suggestion {
	s.Answer, s.By, s.Why = a, by, clip(why)
	return s
}

// Bounds of suggestions: how many wait at once, of one person, and for one pane. Whoever
// may suggest something keeps others from it for as long as theirs wait.
const (
	maxSuggestions       = 256
	maxSuggestionsOf     = 8
	maxSuggestionsOnPane = 8
	// keptEnds is how many of one person's are remembered that have ended.
	keptEnds = 8
)

// Suggestions are those that wait for somebody to take them. The zero value has none. It
// is safe for use by several goroutines.
type Suggestions struct {
	desk[Suggestion]
	past sync.Mutex
	ends map[string][]Suggestion // the last ones of each author
	left map[string]bool         // those that wait whose author takes them back
}

// Leave notes that an author takes back what they suggested, whoever answers it just then.
func (s *Suggestions) Leave(id string) {
	s.past.Lock()
	defer s.past.Unlock()
	if s.left == nil {
		s.left = map[string]bool{}
	}
	if _, open := s.Find(id); open {
		s.left[id] = true
	}
}

// Left reports whether an author takes back what they suggested.
func (s *Suggestions) Left(id string) bool {
	s.past.Lock()
	defer s.past.Unlock()
	return s.left[id]
}

// Put has a suggestion wait, with a name of its own. Nobody sees it before record, which
// is called with it, has succeeded.
func (s *Suggestions) Put(v Suggestion, record func(Suggestion) error) (Suggestion, error) {
	return s.put(func(open []Suggestion, named func() string) (Suggestion, error) {
		err := tooMany(open, v.owner(), maxSuggestionsOf, maxSuggestions, "suggestions", "take one back first: muxward suggest --take-back ID")
		if err != nil {
			return v, err
		}
		here := 0
		for _, o := range open {
			if onePane(o.On, v.On) {
				here++
			}
		}
		if here >= maxSuggestionsOnPane {
			return v, fmt.Errorf("%d suggestions wait for that pane; try again when some of them are answered", here)
		}
		v.ID, v.Answer = named(), Open
		return v, nil
	}, func(v Suggestion) error {
		if err := record(v); err != nil {
			return fmt.Errorf("nothing was suggested, because it cannot be recorded: %w", err)
		}
		return nil
	})
}

// Remember keeps how a suggestion has ended, for its author to look up.
func (s *Suggestions) Remember(v Suggestion) {
	s.past.Lock()
	defer s.past.Unlock()
	if s.ends == nil {
		s.ends = map[string][]Suggestion{}
	}
	delete(s.left, v.ID)
	list := append(slices.Clone(s.ends[v.owner()]), v)
	s.ends[v.owner()] = list[max(len(list)-keptEnds, 0):]
}

// Ended gives the last ones of somebody's that have ended, oldest first.
func (s *Suggestions) Ended(person string) []Suggestion {
	s.past.Lock()
	defer s.past.Unlock()
	return slices.Clone(s.ends[person])
}

// ErrNoSuggestion is what people are told of a suggestion that does not wait, or is not
// theirs to know of.
func ErrNoSuggestion(id string) error {
	return fmt.Errorf("there is no open suggestion %s; see: muxward suggestions", id)
}

// Into reports whether the suggestion is for a pane, wherever that lies.
func (s Suggestion) Into(pane access.Object) bool { return onePane(s.On, pane) }

func onePane(a, b access.Object) bool {
	return a.Kind == access.Pane && b.Kind == access.Pane && a.Owner == b.Owner && a.Incarnation == b.Incarnation && a.Pane.ID == b.Pane.ID
}

// Stands says why nobody can take the suggestion now, nil if they can: by whether its pane
// is there, by the process that runs there, and by whether its author may suggest there.
func (s Suggestion) Stands(there bool, program int, authorMay bool) error {
	switch {
	case !there:
		return errors.New("its pane has gone")
	case !sameProgram(s.Program, program):
		return errors.New("another program runs in its pane by now")
	case !authorStill(authorMay):
		return errors.New("who suggested it may not any more")
	}
	return nil
}

func (s Suggestion) name() string            { return s.ID }
func (s Suggestion) owner() string           { return s.Who.Person() }
func (s Suggestion) since() time.Time        { return s.At }
func (s Suggestion) over() bool              { return s.Answer != Open }
func (s Suggestion) late(now time.Time) bool { return s.Overdue(now) }
func (s Suggestion) none(id string) error    { return ErrNoSuggestion(id) }

func (s Suggestion) been() error {
	return fmt.Errorf("suggestion %s has ended meanwhile: %s", s.ID, s.Answer)
}

func (s Suggestion) busy() error {
	return errors.New("somebody else answers that suggestion just then; look with: muxward suggestions")
}

// Overdue reports whether its time is over.
func (s Suggestion) Overdue(now time.Time) bool { return answeredOnce() && !now.Before(s.Until) }

// MaxSuggested is how many bytes a suggestion has at most.
const MaxSuggested = 1000

// maxMarks is how many marks one character has at most, such as accents: in a heap of
// them nobody sees what is there.
const maxMarks = 2

// Suggestible says why a text is none to be suggested, nil if it is one line in which
// everything is seen. Nothing is taken out of it: what is shown is what is typed.
func Suggestible(text string) error {
	switch {
	case text == "":
		return errors.New("there is no text to suggest")
	case len(text) > MaxSuggested:
		return fmt.Errorf("the text has %d bytes; a suggestion has at most %d", len(text), MaxSuggested)
	case anythingSuggested():
		return nil
	}
	marks := maxMarks // none before the first character
	for i, c := range text {
		if _, n := utf8.DecodeRuneInString(text[i:]); c == utf8.RuneError && n == 1 {
			return fmt.Errorf("byte %d of the text is no UTF-8", i+1)
		}
		if c == '\n' || c == '\r' {
			return fmt.Errorf("byte %d of the text ends a line; a suggestion is one line", i+1)
		}
		if unseen(c) {
			return fmt.Errorf("byte %d of the text begins U+%04X, which is not seen as itself; a suggestion holds nothing that is not seen", i+1, c)
		}
		if marks++; !unicode.Is(unicode.M, c) {
			marks = 0
		}
		if marks > maxMarks {
			return fmt.Errorf("byte %d of the text begins U+%04X, a mark with nothing to stand on, or one of too many", i+1, c)
		}
	}
	return nil
}

// unseen reports whether a character is one that terminals act on, or show as nothing or
// as another one.
func unseen(c rune) bool {
	switch c {
	case 0x2800, 0x16fe4, 0x1d159, 0xfffc: // printable by their class, and drawn as blanks or as nothing
		return true
	}
	return !unicode.IsPrint(c) || c == utf8.RuneError || unicode.In(c, unicode.Bidi_Control,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}
