package sockets

import (
	"strings"
	"testing"
	"time"
)

const goodProfile = `dirs: [/srv/tmp]
root_age: 48h
alike: 5
rules: {MW-S014: "off", MW-S019: serious}
exceptions:
  - {id: MW-S004, path: /srv/pair/*, reason: they pair, until: "2027-01-31"}
`

func TestProfile(t *testing.T) {
	p, err := ParseProfile("x.yaml", []byte(goodProfile))
	if err != nil {
		t.Fatal(err)
	}
	if l := p.Limits(DefaultLimits()); l.RootAge != 48*time.Hour || l.Alike != 5 {
		t.Errorf("%+v", l)
	}
	found := []Finding{
		{ID: leftRunning}, {ID: secretsInside}, {ID: socketOpen, Path: "/srv/pair/s", Severity: Serious},
		{ID: socketOpen, Path: "/srv/pair/deep/s"}, {ID: dirOpen, Path: "/srv/pair/s"},
	}
	day := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateTime, s, time.Local)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	kept, excepted := p.Apply(found, day("2027-01-31 23:59:59"))
	if len(kept) != 3 || len(excepted) != 1 || excepted[0].Path != "/srv/pair/s" || kept[0].ID != secretsInside || kept[0].Severity != Serious {
		t.Errorf("kept %+v, excepted %+v", kept, excepted)
	}
	if kept, excepted := p.Apply(found, day("2027-02-01 00:00:00")); len(kept) != 4 || len(excepted) != 0 {
		t.Errorf("a day later: kept %+v, excepted %+v", kept, excepted)
	}
}

func TestProfilesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"alik: 3":                     "alik",
		"dirs: [tmp]":                 "absolute",
		"alike: -1":                   "negative",
		"rules: {MW-S999: info}":      "no finding",
		"rules: {MW-S001: bad}":       "no severity",
		"exceptions: [{id: MW-S001}]": "reason",
		"a: [":                        "x.yaml",
		"exceptions: [{path: '/a[', id: MW-S001, reason: r, until: '2027-01-31'}]": "pattern",
		"exceptions: [{path: /a, id: MW-S001, reason: r, until: '2027-13-31'}]":    "no day",
		"exceptions: [{path: /a, id: MW-S001, reason: r}]":                         "no day",
	} {
		if _, err := ParseProfile("x.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseProfile("x.yaml", nil); err != nil {
		t.Errorf("an empty one: %v", err)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(goodProfile))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProfile("x", data)
		if err == nil {
			p.Apply([]Finding{{ID: deadSocket, Path: "/x"}}, time.Now())
		}
	})
}
