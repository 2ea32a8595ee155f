package tmux

import (
	"fmt"
	"strings"
	"time"
)

// Strftime expands % sequences as strftime(3) does in the C locale, which is
// what tmux does to the text of display-message before it expands formats.
// A sequence it does not know stays as it is.
func Strftime(s string, t time.Time) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if text, ok := timeField(s[i], t); ok {
			b.WriteString(text)
		} else {
			b.WriteByte('%')
			b.WriteByte(s[i])
		}
	}
	return b.String()
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
