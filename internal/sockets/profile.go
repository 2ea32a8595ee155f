package sockets

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v4"
)

// Profile is what a host's people have settled about findings, in a file that they
// keep with their other configuration.
type Profile struct {
	// Dirs are more directories to look in.
	Dirs []string `yaml:"dirs"`
	// RootAge and Alike are those of [Limits]; zero leaves them.
	RootAge time.Duration `yaml:"root_age"`
	Alike   int           `yaml:"alike"`
	// Locks names the benchmark that session locks are compared with.
	Locks string `yaml:"locks"`
	// Rules give kinds of findings another severity, or "off".
	Rules map[string]string `yaml:"rules"`
	// Exceptions are findings that are known and accepted, for a time.
	Exceptions []Exception `yaml:"exceptions"`
}

// Exception accepts findings of one kind at some paths until a day.
type Exception struct {
	ID     string `yaml:"id" json:"id"`
	Path   string `yaml:"path" json:"path"` // a pattern as of path.Match
	Reason string `yaml:"reason" json:"reason"`
	Until  string `yaml:"until" json:"until"` // the last day, as 2027-01-31
}

// ParseProfile reads a profile, strictly.
func ParseProfile(file string, data []byte) (Profile, error) {
	var p Profile
	if len(bytes.TrimSpace(data)) == 0 {
		return p, nil
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("%s: %w; the keys are dirs, root_age, alike, locks, rules, exceptions", Path(file), err)
	}
	if err := p.check(); err != nil {
		return p, fmt.Errorf("%s: %w", Path(file), err)
	}
	return p, nil
}

func (p Profile) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, dir := range p.Dirs {
		if !filepath.IsAbs(dir) {
			add("dirs: %q is no absolute path", dir)
		}
	}
	if p.RootAge < 0 || p.Alike < 0 {
		add("root_age and alike are not negative")
	}
	if p.Locks != "" {
		if _, err := BenchmarkByName(p.Locks); err != nil {
			add("locks: %w", err)
		}
	}
	for id, sev := range p.Rules {
		if _, ok := RuleByID(id); !ok {
			add("rules: there is no finding %q; muxward sockets explain lists them", id)
		}
		if _, err := ParseSeverity(sev); err != nil && sev != "off" {
			add("rules: %s: %w, or off", id, err)
		}
	}
	for i, e := range p.Exceptions {
		if _, ok := RuleByID(e.ID); !ok {
			add("exceptions, number %d: there is no finding %q; muxward sockets explain lists them", i+1, e.ID)
		}
		if _, err := path.Match(e.Path, "/"); err != nil || !path.IsAbs(e.Path) {
			add("exceptions, number %d: path %q is no pattern of absolute paths", i+1, e.Path)
		}
		if e.Reason == "" {
			add("exceptions, number %d: give a reason", i+1)
		}
		if _, err := time.Parse(time.DateOnly, e.Until); err != nil {
			add("exceptions, number %d: until %q is no day such as 2027-01-31", i+1, e.Until)
		}
	}
	return errors.Join(errs...)
}

// Limits gives def with what the profile says of them.
func (p Profile) Limits(def Limits) Limits {
	if p.RootAge > 0 {
		def.RootAge = p.RootAge
	}
	if p.Alike > 0 {
		def.Alike = p.Alike
	}
	if p.Locks != "" {
		def.Locks = p.Locks
	}
	return def
}

// Apply gives the findings that count, with their severities, and those that are
// excepted at that time. An exception that is over excepts nothing.
func (p Profile) Apply(found []Finding, now time.Time) (kept, excepted []Finding) {
	kept = make([]Finding, 0, len(found))
	for _, f := range found {
		sev := p.Rules[f.ID]
		if sev == "off" {
			continue
		}
		if sev != "" {
			if s, err := ParseSeverity(sev); err == nil {
				f.Severity = s
			}
		}
		if p.excepts(f, now) {
			excepted = append(excepted, f)
		} else {
			kept = append(kept, f)
		}
	}
	return kept, excepted
}

func (p Profile) excepts(f Finding, now time.Time) bool {
	for _, e := range p.Exceptions {
		last, err1 := time.ParseInLocation(time.DateOnly, e.Until, now.Location())
		match, err2 := path.Match(e.Path, string(f.Path))
		if err1 == nil && err2 == nil && match && e.ID == f.ID && now.Before(last.AddDate(0, 0, 1)) {
			return true
		}
	}
	return false
}
