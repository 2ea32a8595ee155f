package tmux

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OwnBuffer begins the name of each buffer that muxward pastes from. No guest names one.
const OwnBuffer = "muxward-"

// CheckGuest refuses what tmux is not given from people who do not hold every
// verb: commands and flags that are withheld from them, numbers that are not
// written as numbers or are above what is allowed, names that are more than
// words, and layouts larger than any screen.
func (inv *Invocation) CheckGuest() error {
	if inv.Row.Withheld != "" {
		return fmt.Errorf("%s: %s", inv.Row.Name, inv.Row.Withheld)
	}
	for _, given := range inv.Flags {
		f := inv.Row.Flag(given.Letter)
		if f == nil {
			return fmt.Errorf("%s: unknown flag -%c", inv.Row.Name, given.Letter)
		}
		if f.Withheld != "" {
			return fmt.Errorf("%s: -%c is not offered to guests; %s", inv.Row.Name, f.Letter, f.Withheld)
		}
		if !given.HasValue {
			continue
		}
		if err := checkValue(f.Kind, f.Max, given.Value); err != nil {
			return &ValueError{fmt.Sprintf("%s -%c %s: %v", inv.Row.Name, f.Letter, quoted(given.Value), err)}
		}
	}
	for i, arg := range inv.Args {
		if err := checkValue(inv.Row.argKind(i), 0, arg); err != nil {
			return &ValueError{fmt.Sprintf("%s %s: %v", inv.Row.Name, quoted(arg), err)}
		}
	}
	return nil
}

// ValueError says what is wrong with a value of a command. Its text holds the
// begin of that.
type ValueError struct {
	Text string
}

func (e *ValueError) Error() string { return e.Text }

// quoted is a value as people read it in an error.
func quoted(value string) string { return fmt.Sprintf("%.20q", value) }

// checkValue says what is wrong with a value of a guest.
func checkValue(kind Kind, most int, value string) error {
	switch kind {
	case Number:
		return checkNumber(value, most)
	case Percent:
		return spelled(percentForm, value, "not a size; write a number such as 10, or a share such as 30%")
	case Line:
		return spelled(lineForm, value, "not a line; write a number such as 10 or -10, or - for the first or last one there is")
	case BufferName:
		if strings.HasPrefix(value, OwnBuffer) {
			return fmt.Errorf("a buffer that a guest names cannot begin with %s", OwnBuffer)
		}
		return checkName(value)
	case NewName, KeyTable:
		return checkName(value)
	case Word, OptionName:
		return spelled(wordForm, value, "not one of tmux's words; write letters, digits and dashes alone")
	case Layout:
		return checkExtent(value)
	}
	return nil
}

// A number has so few digits that it fits wherever tmux keeps it.
var (
	numberForm  = regexp.MustCompile(`^[0-9]{1,9}$`)
	percentForm = regexp.MustCompile(`^[0-9]{1,9}%?$`)
	wordForm    = regexp.MustCompile(`^@?[A-Za-z0-9_-]{1,100}(\[[0-9]{1,9}\])?$`)
	lineForm    = regexp.MustCompile(`^(-|[+-]?[0-9]{1,9})$`)
)

func spelled(form *regexp.Regexp, value, wrong string) error {
	if !form.MatchString(value) {
		return errors.New(wrong)
	}
	return nil
}

func checkNumber(value string, most int) error {
	if err := spelled(numberForm, value, "not a number; write digits alone"); err != nil || most == 0 {
		return err
	}
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > most {
		return fmt.Errorf("not a number from 1 to %d, the most that is allowed here", most)
	}
	return nil
}

// nameMarks are the characters besides letters and digits that a name may
// hold: none that means anything to tmux's command language, to its formats
// or to a shell, since names end up in all of them.
const nameMarks = " _-./@+,="

// checkName takes the names and titles that guests give: words of any script.
func checkName(name string) error {
	for i, c := range name {
		if c == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(name[i:]); n < 2 {
				return fmt.Errorf("byte %#02x at %d is not UTF-8", name[i], i+1)
			}
		}
		if !unicode.In(c, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune(nameMarks, c) {
			return fmt.Errorf("the character %q cannot be in a name that a guest gives; "+
				"use letters, digits, blanks and %s", c, strings.TrimSpace(nameMarks))
		}
	}
	// Otherwise it would read as a flag, or as one of tmux's ways to name
	// something else.
	if name != "" && strings.ContainsRune("-=@+", rune(name[0])) {
		return fmt.Errorf("a name that a guest gives cannot begin with %q", name[0])
	}
	return nil
}
