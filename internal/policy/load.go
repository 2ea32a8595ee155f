package policy

import (
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/muxward/muxward/internal/access"
)

// Set is one policy, whole and checked. It is immutable; what it keeps for
// speed changes no answer. Any number of goroutines may ask it.
type Set struct {
	people *people
	grants []grant
	rules  []rule
	// approvals are the rules for requests, declarations those for what sessions'
	// environments give.
	approvals    []approvalRule
	declarations []declarationRule
	// reach is what ssh.yaml allows besides tmux.
	reach  []allowance
	index  *index
	static types.EntityMap
	views  views

	// Of a policy with moving grants: the one of the files alone, those of the
	// grants that count, and where they are found.
	files  *Set
	given  []*grant
	moving *index
	// moved are all that were given, fates what became of each.
	moved []*Given
	fates []fate
	taken func(person string, o access.Object) bool
	doubt atomic.Pointer[doubt]
	// limit is when it has to be found out again which of them count, zero if
	// time does not matter, and waiting who may have something then that they
	// do not have now.
	limit   time.Time
	waiting map[string]bool
}

// Load reads a policy directory. The error is of type [Problems] and tells
// every mistake that was found; then there is no Set: half a policy is none.
func Load(dir string) (*Set, error) {
	s, _, err := loadRead(dir, owners{})
	return s, err
}

// loadRead is Load, and gives the digest of what it has read, also if that is no policy.
func loadRead(dir string, own owners) (*Set, string, error) {
	var r report
	files := readDir(dir, own, &r)
	digest := digestOf(files, r.list)
	s := build(files, &r)
	if err := r.err(); err != nil {
		return nil, digest, err
	}
	return s, digest, nil
}

// build makes a Set of files that were read, within the budget.
func build(files []source, r *report) *Set {
	runtime.LockOSThread() // the budget counts this thread's time
	defer runtime.UnlockOSThread()
	return load(files, newBudget(), r)
}

// load makes a Set of files that were read.
func load(files []source, b *budget, r *report) *Set {
	s := &Set{people: &people{}}
	found := map[string]bool{}
	good := make([]source, 0, len(files))
	for _, f := range files {
		found[f.name] = true
		if strings.HasSuffix(f.name, testEnd) {
			continue
		}
		if checkBytes(f, r) {
			good = append(good, f)
		}
	}
	for _, must := range []string{peopleFile, grantsFile} {
		if !found[must] && len(r.list) == 0 {
			r.add(Problem{File: must, Text: "the file is missing", Hint: "muxward init DIR writes a starter policy"})
		}
	}
	for _, f := range good {
		if f.name == peopleFile {
			s.people = parsePeople(f, r)
		}
	}
	validator, err := newValidator()
	if err != nil {
		r.add(Problem{Text: err.Error()})
		return nil
	}
	cr := &cedarReader{r: r, ps: s.people, validator: validator, budget: b, ids: map[string]string{}}
	for _, f := range good {
		switch {
		case !b.left(r, f.name, 1):
			return nil
		case f.name == grantsFile, strings.HasSuffix(f.name, grantsEnd):
			s.parseGrants(f, r)
		case f.name == sshFile:
			s.parseReach(f, r)
		case strings.HasSuffix(f.name, cedarEnd):
			cr.read(f)
		}
	}
	if len(r.list) > 0 || !b.left(r, "", 0) {
		return nil
	}
	s.rules = cr.rules
	s.finish()
	return s
}

// finish builds what questions are answered from.
func (s *Set) finish() {
	all := make([]*grant, len(s.grants))
	for i := range s.grants {
		all[i] = s.grants[i].worded()
	}
	s.index = newIndex(all, nil)
	s.static = staticEntities(s.people)
}

// mentioned lists every selector that the policy names, each once.
func mentioned(s *Set) []Selector {
	seen := map[Selector]bool{}
	var out []Selector
	add := func(sel Selector) {
		if !seen[sel] {
			seen[sel] = true
			out = append(out, sel)
		}
	}
	for i := range s.grants {
		add(s.grants[i].on)
	}
	for i := range s.rules {
		for _, uid := range entitiesOf(s.rules[i].ast) {
			if _, ok := objectKind(uid.Type); ok {
				if sel, err := ParseSelector(string(uid.ID)); err == nil {
					add(sel)
				}
			}
		}
	}
	return out
}

// Size counts what a policy holds.
type Size struct{ People, Groups, Grants, Policies int }

// Size counts what the policy holds.
func (s *Set) Size() Size {
	return Size{len(s.people.list), len(s.people.groups), len(s.grants), len(s.rules)}
}
