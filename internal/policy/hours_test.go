package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/soak"
)

// hoursOf reads hours that are right.
func hoursOf(t testing.TB, text string) *hours {
	t.Helper()
	h, err := parseHours(text, zones{}.zone)
	if err != nil {
		t.Fatalf("%q: %+v", text, err)
	}
	return &h
}

// moment reads a time of a test: with its offset, so that what a clock shows twice is
// told apart.
func moment(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestHours: the hours of a grant begin and end to the minute, over midnight, over
// the end of the week, and on the days on which clocks are set.
func TestHours(t *testing.T) {
	const berlin, office, night = "Europe/Berlin", "Mon-Fri 09:00-18:00 Europe/Berlin", "Sat 22:00-06:00 Europe/Berlin"
	for _, c := range []struct {
		hours, at string
		within    bool
		change    string
	}{
		// An ordinary Monday, 23 November 2026, and the days around.
		{office, "2026-11-23T08:59:59+01:00", false, "2026-11-23T09:00:00+01:00"},
		{office, "2026-11-23T09:00:00+01:00", true, "2026-11-23T18:00:00+01:00"},
		{office, "2026-11-23T16:59:59Z", true, "2026-11-23T17:00:00Z"},
		{office, "2026-11-23T18:00:00+01:00", false, "2026-11-24T09:00:00+01:00"},
		{office, "2026-11-27T18:00:00+01:00", false, "2026-11-30T09:00:00+01:00"},
		{office, "2026-11-29T12:00:00+01:00", false, "2026-11-30T09:00:00+01:00"},
		{"Sun-Tue 00:00-24:00 UTC", "2026-11-28T23:59:59Z", false, "2026-11-29T00:00:00Z"},
		{"Sun-Tue 00:00-24:00 UTC", "2026-11-24T23:59:59Z", true, "2026-11-25T00:00:00Z"},
		{"Wed,Sat-Sun 10:00-11:00 UTC", "2026-11-25T10:30:00Z", true, "2026-11-25T11:00:00Z"},
		{"Wed,Sat-Sun 10:00-11:00 UTC", "2026-11-26T10:30:00Z", false, "2026-11-28T10:00:00Z"},
		{"Wed 10:00-11:00 UTC", "2026-11-25T11:00:00Z", false, "2026-12-02T10:00:00Z"},
		// Over midnight, and over the end of the week.
		{night, "2026-11-28T21:59:00+01:00", false, "2026-11-28T22:00:00+01:00"},
		{night, "2026-11-29T00:00:00+01:00", true, "2026-11-29T06:00:00+01:00"},
		{night, "2026-11-29T06:00:00+01:00", false, "2026-12-05T22:00:00+01:00"},
		{"Mon 22:00-00:00 UTC", "2026-11-23T23:59:59Z", true, "2026-11-24T00:00:00Z"},
		// 25 October 2026: at 03:00 it is 02:00 again. 29 March: at 02:00 it is 03:00.
		{"Sun 09:00-18:00 " + berlin, "2026-10-25T08:00:00Z", true, "2026-10-25T17:00:00Z"},
		{"Sun 01:00-02:30 " + berlin, "2026-10-25T02:29:59+02:00", true, "2026-10-25T02:30:00+02:00"},
		{"Sun 01:00-02:30 " + berlin, "2026-10-25T02:15:00+01:00", false, "2026-11-01T01:00:00+01:00"},
		{"Sun 02:30-04:00 " + berlin, "2026-10-25T02:30:00+02:00", true, "2026-10-25T04:00:00+01:00"},
		{"Sun 02:30-04:00 " + berlin, "2026-10-25T02:15:00+01:00", true, "2026-10-25T04:00:00+01:00"},
		{"Sun 02:30-04:00 " + berlin, "2026-03-29T01:59:59+01:00", false, "2026-03-29T03:00:00+02:00"},
		{"Sun 02:30-04:00 " + berlin, "2026-03-29T03:00:00+02:00", true, "2026-03-29T04:00:00+02:00"},
		{"Sun 02:10-02:50 " + berlin, "2026-03-29T03:00:00+02:00", false, "2026-04-05T02:10:00+02:00"},
		{night, "2026-10-25T04:59:59Z", true, "2026-10-25T05:00:00Z"},
		// Half an hour, and a Friday that Samoa left out.
		{"Sun 01:00-02:00 Australia/Lord_Howe", "2026-04-05T01:45:00+10:30", true, "2026-04-05T02:00:00+10:30"},
		{"Fri 09:00-18:00 Pacific/Apia", "2011-12-29T23:00:00-10:00", false, "2012-01-06T09:00:00+14:00"},
	} {
		within, change := hoursOf(t, c.hours).at(moment(t, c.at))
		if within != c.within || !change.Equal(moment(t, c.change)) {
			t.Errorf("%s at %s: %v until %v, want %v until %s", c.hours, c.at, within, change, c.within, c.change)
		}
	}
}

// shownAt is what a clock on the wall shows, to be compared.
func shownAt(t time.Time, zone *time.Location) int64 {
	_, offset := t.In(zone).Zone()
	return t.Unix() + int64(offset)
}

// slowly finds out the same by looking at the clock each minute of the days around.
func slowly(h *hours, at time.Time) bool {
	at = at.Truncate(time.Minute)
	var shown []int64 // by the minutes of the last four days
	for x := at.Add(-4 * 24 * time.Hour); !x.After(at); x = x.Add(time.Minute) {
		shown = append(shown, shownAt(x, h.zone))
	}
	y, m, d := at.In(h.zone).Date()
	for i := -2; i <= 1; i++ {
		midnight := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		if !h.days[midnight.Weekday()] {
			continue
		}
		begin, end := shownAt(midnight.Add(h.from), time.UTC), shownAt(midnight.Add(h.to), time.UTC)
		begun, ended := false, false
		for _, now := range shown {
			begun, ended = begun || now >= begin, ended || now >= end
		}
		if begun && !ended {
			return true
		}
	}
	return false
}

// Hours are those that somebody finds out who looks at the clock each minute, in zones
// that set their clocks, near those moments; and nothing changes before it is said to.
func TestHoursAsSlowly(t *testing.T) {
	names := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Casablanca"}
	for range soak.N(100, 1) {
		rapid.Check(t, func(r *rapid.T) {
			name := rapid.SampledFrom(names).Draw(r, "zone")
			clock := func(label string) int { return rapid.IntRange(0, 24*60-1).Draw(r, label) }
			from, to := clock("from"), clock("to")
			if from == to {
				to++
			}
			days := rapid.SampledFrom([]string{"Mon-Sun", "Sun", "Sat-Sun", "Fri", "Mon-Fri", "Sat,Mon"}).Draw(r, "days")
			h := hoursOf(t, fmt.Sprintf("%s %02d:%02d-%02d:%02d %s", days, from/60, from%60, to/60, to%60, name))
			at := time.Date(rapid.IntRange(2005, 2035).Draw(r, "year"), time.Month(rapid.IntRange(1, 12).Draw(r, "month")), rapid.IntRange(1, 31).Draw(r, "day"),
				0, clock("at"), rapid.IntRange(0, 59).Draw(r, "second"), 0, time.UTC)
			if _, set := at.In(h.zone).ZoneBounds(); !set.IsZero() && rapid.Bool().Draw(r, "near") {
				at = set.Add(time.Duration(rapid.IntRange(-180, 180).Draw(r, "minutes")) * time.Minute)
			}
			within, change := h.at(at)
			if want := slowly(h, at); within != want {
				r.Fatalf("%s at %v: %v, want %v", h.text, at, within, want)
			}
			if !change.After(at) {
				r.Fatalf("%s at %v changes at %v", h.text, at, change)
			}
			mid := at.Add(time.Duration(rapid.Float64Range(0, 0.999999).Draw(r, "part") * float64(change.Sub(at))))
			if slowly(h, mid) != within || !within && !slowly(h, change) {
				r.Fatalf("%s at %v: %v, and otherwise at %v or not at %v", h.text, at, within, mid, change)
			}
		})
	}
}

// Hours that are wrong are told with their place in the line and what to write.
func TestHoursMistakes(t *testing.T) {
	for when, want := range map[string]string{
		`Mon-Fri 09:00-18:00`:                      `grants.yaml:2:58: the hours name no zone (write it as Mon-Fri 09:00-18:00 Europe/Berlin)`,
		`Mon-Fri  09:00-18:00 UTC`:                 `grants.yaml:2:58: the hours are days, times and a zone, with one space between (write it as`,
		`sometimes`:                                `grants.yaml:2:58: the hours are days`,
		`Mon-Fri 09:00-18:00 Europe/Berln`:         `grants.yaml:2:78: there is no time zone "Europe/Berln" (a name of the tz database`,
		`Mon-Fri 09:00-18:00 Local`:                `grants.yaml:2:78: there is no time zone "Local"`,
		`Mon-Fri 09:00-18:00 ../../etc/passwd`:     `grants.yaml:2:78: there is no time zone`,
		`Mon-Fri 09:00-18:00 +01:00`:               `grants.yaml:2:78: there is no time zone "+01:00"`,
		`Mon-Fri 9:00-18:00 UTC`:                   `grants.yaml:2:66: "9:00-18:00" is not from when until when (write it as 09:00-18:00; the last minute`,
		`Mon-Fri 09:00 UTC`:                        `grants.yaml:2:66: "09:00" is not`,
		`Mon-Fri 24:00-18:00 UTC`:                  `grants.yaml:2:66: "24:00-18:00" is not`,
		`Mon-Fri 09:60-18:00 UTC`:                  `grants.yaml:2:66: "09:60-18:00" is not`,
		`Mon-Fri 09:00-24:01 UTC`:                  `grants.yaml:2:66: "09:00-24:01" is not`,
		`Mon-Fri 09:00-09:00 UTC`:                  `grants.yaml:2:66: "09:00-09:00" begins when it ends (write 00:00-24:00 for a whole day)`,
		`Mon–Fri 09:00-18:00 UTC`:                  `grants.yaml:2:58: "Mon–Fri" is no day and no range of days (days are Mon, Tue`,
		`'Mon,mon 09:00-18:00 UTC'`:                `grants.yaml:2:58: "mon" is no day`,
		`'Mon-Fri,Wed 09:00-18:00 UTC'`:            `grants.yaml:2:58: Wed is named twice (name each day once)`,
		`Mon-Mon 09:00-18:00 UTC`:                  `grants.yaml:2:58: "Mon-Mon" is a range of one day (write Mon, or Mon-Sun`,
		`[]`:                                       `grants.yaml:2:58: the list of hours is empty (leave the key out for all hours)`,
		`[Mon 09:00-18:00 UTC, Tue 09:00-1 UTC]`:   `grants.yaml:2:84: "09:00-1" is not from when`,
		`{Mon: 3}`:                                 `grants.yaml:2:58: when must be a text, not a mapping`,
		`12:30`:                                    `grants.yaml:2:58: `,
		`[` + strings.Repeat("Mon, ", 17) + `Mon]`: `grants.yaml:2:58: more than 16 hours of one grant`,
	} {
		got := problemsOf(t, map[string]string{grantsFile: "grants:\n  - {who: bob, role: viewer, on: alice, reason: x, when: " + when + "}\n"})
		if !strings.Contains(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", when, got, want)
		}
	}
}

const grantsWithHours = `grants:
  - who: bob
    role: operator
    on: alice/work
    reason: office
    when: [Mon-Fri 09:00-18:00 Europe/Berlin, Sat 10:00-12:00 UTC]
    until: 2026-11-30T10:00:00Z
  - {who: bob, verbs: share, on: alice/work, reason: always}
`

// Outside its hours a grant is none: for one verb, for all in an object, for what is
// listed, and for what was given by whom it makes able to. What is decided says when
// it has to be asked again.
func TestHoursOfGrants(t *testing.T) {
	e, also := moved(t, grantsWithHours), moved(t, grantsWithHours, given(t, "1 bob gives carol viewer on alice/work"))
	for _, c := range []struct {
		at     string
		holds  bool
		expire string
	}{
		{"2026-11-23T08:59:59+01:00", false, "2026-11-23T09:00:00+01:00"},
		{"2026-11-23T09:00:00+01:00", true, "2026-11-23T18:00:00+01:00"},
		{"2026-11-23T17:59:59+01:00", true, "2026-11-23T18:00:00+01:00"},
		{"2026-11-23T18:00:00+01:00", false, "2026-11-24T09:00:00+01:00"},
		{"2026-11-28T11:00:00Z", true, "2026-11-28T12:00:00Z"},
		{"2026-11-28T12:00:00Z", false, "2026-11-30T09:00:00+01:00"},
		{"2026-11-30T09:59:59Z", true, "2026-11-30T10:00:00Z"},
		{"2026-11-30T10:00:00Z", false, ""},
		{"2026-12-01T10:00:00Z", false, ""},
	} {
		at := moment(t, c.at)
		q := ask(t, "bob type alice/work:1.2")
		q.At = at
		d := e.Decide(q)
		if d.Allow != c.holds || d.Expires.IsZero() != (c.expire == "") || c.expire != "" && !d.Expires.Equal(moment(t, c.expire)) {
			t.Errorf("at %s: %+v, want %v until %q", c.at, d, c.holds, c.expire)
		}
		bob := identity.Subject{Person: "bob", UID: -1, Door: "tmux"}
		work := q.Object.Up().Up()
		if all := e.Covers(bob, access.SetOf(access.Type, access.View), work, at); all.Allow != c.holds || !all.Expires.Equal(d.Expires) {
			t.Errorf("all of it at %s: %+v", c.at, all)
		}
		if e.Holds(bob, work, at).Has(access.Type) != c.holds {
			t.Errorf("at %s bob holds %s", c.at, e.Holds(bob, work, at))
		}
		q.Who.Person, q.Verb = "carol", access.View
		if d := also.Decide(q); d.Allow != c.holds || c.holds && (d.Expires.IsZero() || d.Expires.After(moment(t, c.expire))) {
			t.Errorf("carol, by bob, at %s: %+v", c.at, d)
		}
	}
}

// It is said in which hours a grant counts, and of one that does not that this is why.
func TestHoursAreTold(t *testing.T) {
	s := mustLoad(t, map[string]string{grantsFile: grantsWithHours})
	q := ask(t, "bob type alice/work:1.2")
	const hours = "the hours Mon-Fri 09:00-18:00 Europe/Berlin and Sat 10:00-12:00 UTC"
	if e := s.Explain(q); !e.Allow || !strings.Contains(e.Reason, hours) {
		t.Errorf("within: %+v", e)
	}
	q.At = moment(t, "2026-11-23T19:00:00+01:00")
	e := s.Explain(q)
	told := ""
	for _, c := range e.Considered {
		told += c.Rule + ": " + c.Why + "\n"
	}
	if e.Allow || !strings.Contains(told, "it is not in its hours, Mon-Fri 09:00-18:00 Europe/Berlin and Sat 10:00-12:00 UTC; that may change at 2026-11-24T09:00:00+01:00") {
		t.Errorf("outside: %+v\n%s", e, told)
	}
}

// FuzzHours: whatever is written, there are hours that say when they change, or a
// mistake with its place in the text.
func FuzzHours(f *testing.F) {
	for _, s := range []string{"Mon-Fri 09:00-18:00 Europe/Berlin", "Sat,Sun-Tue 22:00-06:00 Pacific/Apia", "Mon 00:00-24:00 Local", "-, :-: /", "Mon-Fri,Wed 9:0-1 x"} {
		f.Add(s, int64(1796000000))
	}
	known := zones{}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		h, err := parseHours(text, known.zone)
		if err != nil {
			if err.at < 0 || err.at > len(text) || err.text == "" || err.hint == "" {
				t.Fatalf("%q: %+v", text, err)
			}
			return
		}
		if h.text != text || h.from < 0 || h.to <= h.from || h.to > 2*day || h.zone == nil || h.zone == time.Local {
			t.Fatalf("%q: %+v", text, h)
		}
		now := time.Unix(at%(1<<37), 0)
		if _, change := h.at(now); !change.After(now) {
			t.Fatalf("%q at %v changes at %v", text, now, change)
		}
	})
}
