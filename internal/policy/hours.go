package policy

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// hours are hours of the week in which a grant counts. On each of the days they
// begin when a clock on the wall of the zone first shows from, and end when it first
// shows to: where that clock is set forward past one of the two it is the moment at
// which it was set, and what it shows a second time changes nothing.
type hours struct {
	days     [7]bool       // by time.Weekday
	from, to time.Duration // since midnight; to beyond 24h is on the day after
	zone     *time.Location
	text     string // as it was written
}

// dayNames are the words for days, by time.Weekday.
var dayNames = [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

const day = 24 * time.Hour

// onDay gives when they begin and end that belong to a date.
func (h *hours) onDay(year int, month time.Month, date int) (begin, end time.Time) {
	midnight := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	if !h.days[midnight.Weekday()] {
		return time.Time{}, time.Time{}
	}
	return firstShown(midnight.Add(h.from), h.zone), firstShown(midnight.Add(h.to), h.zone)
}

// firstShown gives the first moment at which a clock on the wall of a zone shows at
// least what shown reads in UTC.
func firstShown(shown time.Time, zone *time.Location) time.Time {
	t := shown.Add(-2 * day).In(zone) // no zone is as far from UTC
	for {
		begin, end := t.ZoneBounds()
		_, offset := t.Zone()
		first := shown.Add(-time.Duration(offset) * time.Second)
		if !begin.IsZero() && first.Before(begin) {
			first = begin
		}
		if end.IsZero() || first.Before(end) {
			return first.In(zone)
		}
		t = end
	}
}

// daysBefore and daysAfter a moment are looked at: hours of the day before may last
// into it, and the next ones may be a week away, behind a day that a zone leaves out.
const daysBefore, daysAfter = 2, 9

// at reports whether it is within them, and when that may change.
func (h *hours) at(t time.Time) (within bool, change time.Time) {
	year, month, date := t.In(h.zone).Date()
	for i := -daysBefore; i <= daysAfter; i++ {
		begin, end := h.onDay(year, month, date+i)
		switch {
		case !end.After(t) || !begin.Before(end):
		case t.Before(begin):
			return false, begin
		default:
			return true, end
		}
	}
	return false, t.Add(daysAfter * day) // on a day that a zone leaves out for good
}

// schedule is when a grant counts: in any of its hours.
type schedule struct {
	hours []hours
	// last is what was found out last; it changes no answer.
	last atomic.Pointer[phase]
}

// phase is a time during which the answer stays as it is.
type phase struct {
	begin, end time.Time
	within     bool
}

// at reports whether it is within any of the hours, and when that may change.
func (s *schedule) at(t time.Time) (within bool, change time.Time) {
	if p := s.last.Load(); p != nil && !t.Before(p.begin) && t.Before(p.end) {
		return p.within, p.end
	}
	for i := range s.hours {
		in, end := s.hours[i].at(t)
		switch {
		case in == within:
			if within && end.After(change) || !within && (change.IsZero() || end.Before(change)) {
				change = end
			}
		case in:
			within, change = true, end
		}
	}
	s.last.Store(&phase{t, change, within})
	return within, change
}

// String gives the hours as they were written.
func (s *schedule) String() string {
	words := make([]string, len(s.hours))
	for i := range s.hours {
		words[i] = s.hours[i].text
	}
	return strings.Join(words, " and ")
}

// hoursError is a mistake in hours, with its place in the text and what to do.
type hoursError struct {
	at         int
	text, hint string
}

const hoursExample = "write it as Mon-Fri 09:00-18:00 Europe/Berlin"

// parseHours reads hours such as "Mon-Fri,Sun 09:00-18:00 Europe/Berlin".
func parseHours(text string, zone func(string) (*time.Location, error)) (hours, *hoursError) {
	words := strings.Split(text, " ")
	if len(words) != 3 {
		what := "the hours are days, times and a zone, with one space between"
		if len(words) == 2 {
			what = "the hours name no zone"
		}
		return hours{}, &hoursError{0, what, hoursExample}
	}
	h := hours{text: text}
	if err := h.readDays(words[0]); err != nil {
		return hours{}, err
	}
	at := len(words[0]) + 1
	if err := h.readTimes(words[1]); err != nil {
		err.at += at
		return hours{}, err
	}
	at += len(words[1]) + 1
	loc, err := zone(words[2])
	if err != nil {
		return hours{}, &hoursError{at, fmt.Sprintf("there is no time zone %q", clip(words[2])),
			"a name of the tz database, such as Europe/Berlin, America/New_York or UTC"}
	}
	h.zone = loc
	return h, nil
}

// readDays reads days and ranges of days with commas between.
func (h *hours) readDays(text string) *hoursError {
	at := 0
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, last := dayOf(from), dayOf(to)
		if !isRange {
			last = first
		}
		switch {
		case first < 0 || last < 0:
			return &hoursError{at, fmt.Sprintf("%q is no day and no range of days", clip(part)),
				"days are Mon, Tue, Wed, Thu, Fri, Sat and Sun; a range is Mon-Fri"}
		case isRange && first == last:
			return &hoursError{at, fmt.Sprintf("%q is a range of one day", part), "write " + from + ", or Mon-Sun for every day"}
		}
		for d := first; ; d = (d + 1) % 7 {
			if h.days[d] {
				return &hoursError{at, dayNames[d] + " is named twice", "name each day once"}
			}
			h.days[d] = true
			if d == last {
				break
			}
		}
		at += len(part) + 1
	}
	return nil
}

// dayOf gives the number of a day's word, -1 if there is no such day.
func dayOf(word string) int {
	for i, name := range dayNames {
		if word == name {
			return i
		}
	}
	return -1
}

// readTimes reads from when until when. What ends no later than it begins ends on the
// next day.
func (h *hours) readTimes(text string) *hoursError {
	from, to, ok := strings.Cut(text, "-")
	var good [2]bool
	h.from, good[0] = clockTime(from)
	h.to, good[1] = clockTime(to)
	switch {
	case !ok || !good[0] || !good[1] || h.from == day:
		return &hoursError{0, fmt.Sprintf("%q is not from when until when", clip(text)),
			"write it as 09:00-18:00; the last minute of a day ends at 24:00"}
	case h.from == h.to:
		return &hoursError{0, fmt.Sprintf("%q begins when it ends", text), "write 00:00-24:00 for a whole day"}
	case h.to < h.from:
		h.to += day
	}
	return nil
}

// clockTime reads HH:MM, up to 24:00.
func clockTime(s string) (time.Duration, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	var n [4]int
	for i, c := range []byte(s[:2] + s[3:]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n[i] = int(c - '0')
	}
	t := time.Duration(n[0]*10+n[1])*time.Hour + time.Duration(n[2]*10+n[3])*time.Minute
	return t, n[2] < 6 && t <= day
}
