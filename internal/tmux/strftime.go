package tmux

import (
	"fmt"
	"strings"
	"time"
)

// Strftime expands % sequences as strftime(3) of the GNU C library does in the
// C locale, which is what tmux does to the text of display-message before it
// expands formats. A sequence it does not know stays as it is.
func Strftime(s string, t time.Time) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxTimeText; {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		spec, n := readTimeSpec(s[i:])
		text, ok := spec.expand(t)
		if !ok {
			text = spec.fill(s[i:i+n], " ")
		}
		b.WriteString(text)
		i += n
	}
	if b.Len() >= maxTimeText {
		return ""
	}
	return b.String()
}

// timeSpec is one sequence: flags, a width and what is asked for.
type timeSpec struct {
	pad   byte // one of - _ 0, or 0 for what is usual
	upper bool
	swap  bool
	width int
	field byte // 0 if the text ends before it
}

// maxTimeText is what tmux has room for: a text that would become as long as
// that becomes nothing.
const maxTimeText = 8192

// readTimeSpec reads the sequence at the start of s and returns its length.
func readTimeSpec(s string) (timeSpec, int) {
	var spec timeSpec
	i := 1
	for ; i < len(s) && strings.IndexByte("-_0^#", s[i]) >= 0; i++ {
		switch s[i] {
		case '^':
			spec.upper = true
		case '#':
			spec.swap = true
		default:
			spec.pad = s[i]
		}
	}
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		spec.width = min(spec.width*10+int(s[i]-'0'), maxTimeText)
	}
	if i < len(s) && (s[i] == 'E' || s[i] == 'O') {
		i++ // another calendar or other digits: there are none in this locale
	}
	if i < len(s) {
		spec.field = s[i]
		i++
	}
	return spec, i
}

func (spec timeSpec) expand(t time.Time) (string, bool) {
	text, ok := timeField(spec.field, t)
	if !ok {
		return "", false
	}
	switch {
	case spec.swap && strings.IndexByte("pZ", spec.field) >= 0:
		text = strings.ToLower(text)
	case spec.swap && strings.IndexByte("aAbBh", spec.field) >= 0, spec.upper && spec.field != 'P':
		text = strings.ToUpper(text)
	}
	fill := " "
	if strings.IndexByte("CdeGgHIjklmMsSuUVwWyY", spec.field) >= 0 {
		text, fill = spec.number(text)
	}
	return spec.fill(text, fill), true
}

// fill puts what is missing to the width before the text.
func (spec timeSpec) fill(text, with string) string {
	if spec.pad == '0' {
		with = "0"
	}
	return strings.Repeat(with, max(spec.width-len(text), 0)) + text
}

// number pads a number as asked, and returns what to go on padding with.
func (spec timeSpec) number(text string) (padded, fill string) {
	digits := strings.TrimLeft(text, " 0")
	if digits == "" {
		digits = "0"
	}
	lead := len(text) - len(digits)
	switch {
	case spec.pad == '-':
		return digits, ""
	case spec.pad == '_' || spec.pad == 0 && strings.IndexByte("ekl", spec.field) >= 0:
		return strings.Repeat(" ", lead) + digits, " "
	}
	return strings.Repeat("0", lead) + digits, "0"
}

// prettyTime writes a time as short as its age allows: the hour, the day, the
// month.
func prettyTime(t, now time.Time) string {
	if now.Before(t) {
		now = t
	}
	const day = 24 * time.Hour
	months := (now.Year()-t.Year())*12 + int(now.Month()-t.Month())
	switch age := now.Truncate(time.Second).Sub(t); {
	case age < day:
		return t.Format("15:04")
	case months == 0 || age < 28*day:
		return t.Format("Mon02")
	case now.Year() == t.Year() || now.Year() == t.Year()+1 && t.Month() > now.Month():
		return t.Format("02Jan")
	}
	return t.Format("Jan06")
}

func timeField(c byte, t time.Time) (string, bool) {
	if layout, ok := timeLayout(c); ok {
		return t.Format(layout), true
	}
	if n, format, ok := timeNumber(c, t); ok {
		return fmt.Sprintf(format, n), true
	}
	switch c {
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	case 'P':
		return strings.ToLower(t.Format("PM")), true
	}
	return "", false
}

func timeLayout(c byte) (string, bool) {
	switch c {
	case 'a':
		return "Mon", true
	case 'A':
		return "Monday", true
	case 'b', 'h':
		return "Jan", true
	case 'B':
		return "January", true
	case 'c':
		return "Mon Jan _2 15:04:05 2006", true
	case 'd':
		return "02", true
	case 'D', 'x':
		return "01/02/06", true
	case 'e':
		return "_2", true
	case 'F':
		return "2006-01-02", true
	case 'H':
		return "15", true
	case 'I':
		return "03", true
	case 'm':
		return "01", true
	case 'M':
		return "04", true
	case 'p':
		return "PM", true
	case 'r':
		return "03:04:05 PM", true
	case 'R':
		return "15:04", true
	case 'S':
		return "05", true
	case 'T', 'X':
		return "15:04:05", true
	case 'y':
		return "06", true
	case 'Y':
		return "2006", true
	case 'z':
		return "-0700", true
	case 'Z':
		return "MST", true
	}
	return "", false
}

func timeNumber(c byte, t time.Time) (n int64, format string, ok bool) {
	year, week := t.ISOWeek()
	weekday := int(t.Weekday())
	switch c {
	case 'C':
		return int64(t.Year() / 100), "%02d", true
	case 'g':
		return int64(year % 100), "%02d", true
	case 'G':
		return int64(year), "%d", true
	case 'j':
		return int64(t.YearDay()), "%03d", true
	case 'k':
		return int64(t.Hour()), "%2d", true
	case 'l':
		return int64((t.Hour()+11)%12 + 1), "%2d", true
	case 's':
		return t.Unix(), "%d", true
	case 'u':
		return int64((weekday+6)%7 + 1), "%d", true
	case 'U':
		return int64((t.YearDay() + 6 - weekday) / 7), "%02d", true
	case 'V':
		return int64(week), "%02d", true
	case 'w':
		return int64(weekday), "%d", true
	case 'W':
		return int64((t.YearDay() + 6 - (weekday+6)%7) / 7), "%02d", true
	}
	return 0, "", false
}
