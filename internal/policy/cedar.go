package policy

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

// rule is one policy of a *.cedar file.
type rule struct {
	id     string // as annotated, else "permit" or "forbid"
	file   string
	line   int
	reason string
	duties access.Obligations
	forbid bool
	fails  bool // its evaluation may end in an error
	policy *cedar.Policy
	ast    *ast.Policy
}

// name names the rule in decisions: file:line id.
func (ru *rule) name() string { return fmt.Sprintf("%s:%d %s", ru.file, ru.line, ru.id) }

// why says in one line what the rule means.
func (ru *rule) why() string {
	switch {
	case ru.reason != "":
		return ru.reason
	case ru.forbid:
		return "a policy forbids it"
	}
	return "a policy permits it"
}

// cedarReader reads the *.cedar files of one directory.
type cedarReader struct {
	r         *report
	ps        *people
	validator *validate.Validator
	budget    *budget
	ids       map[string]string // id → where it was given
	rules     []rule
}

// read reads one file. Its statements are parsed one by one, so that each
// mistake is told and no single one is larger than we allow.
func (cr *cedarReader) read(f source) {
	statements, ok := split(f, cr.r)
	if !ok {
		return
	}
	if len(statements) == 0 {
		cr.r.add(Problem{File: f.name, Line: 1, Column: 1, Text: "the file holds no policy", Hint: "half-written? remove it, or write a policy"})
		return
	}
	for _, st := range statements {
		if !cr.budget.left(cr.r, f.name, st.line) {
			return
		}
		if len(cr.rules) >= maxPolicies {
			cr.r.add(Problem{File: f.name, Line: st.line, Column: st.col, Text: fmt.Sprintf("more than %d policies", maxPolicies)})
			return
		}
		cr.statement(f.name, st)
	}
}

func (cr *cedarReader) statement(file string, st statement) {
	var list cedar.PolicyList
	if err := list.UnmarshalCedar([]byte(st.text)); err != nil {
		cr.r.add(parseProblem(file, st, err))
		return
	}
	if len(list) != 1 {
		cr.r.add(Problem{File: file, Line: st.line, Column: st.col, Text: "not one policy but " + strconv.Itoa(len(list))})
		return
	}
	p := list[0]
	ru := rule{file: file, policy: p, ast: (*ast.Policy)(p.AST()), forbid: p.Effect() == cedar.Forbid}
	at := shift(st, p.Position().Line, p.Position().Column)
	ru.line = at.line
	fail := func(hint, format string, args ...any) {
		cr.r.add(Problem{File: file, Line: at.line, Column: at.col, Text: fmt.Sprintf(format, args...), Hint: hint})
	}
	cr.annotations(&ru, fail)
	cr.literals(&ru, fail)
	cr.reaching(&ru, fail)
	if err := cr.validator.Policy("", ru.ast); err != nil {
		for _, e := range flatten(err) {
			fail(validationHint(e.Error()), "the policy does not fit the schema: %s", clipLong(e.Error()))
		}
	}
	ru.fails = usesOf(ru.ast).fails
	cr.rules = append(cr.rules, ru)
}

// shift turns a position within a statement into one within the file.
func shift(st statement, line, col int) statement {
	if line <= 1 {
		return statement{line: st.line, col: st.col + max(col, 1) - 1}
	}
	return statement{line: st.line + line - 1, col: col}
}

var (
	parsePosition = regexp.MustCompile(`<input>:(\d+):(\d+)`)
	parseNoise    = regexp.MustCompile(`^.*parse error at \S+ `)
	parseExpect   = regexp.MustCompile(`^(".*"): exact got (.*) want (.*)$`)
)

// parseProblem gives Cedar's parse error a place in the file and plain words.
func parseProblem(file string, st statement, err error) Problem {
	p := Problem{File: file, Line: st.line, Column: st.col}
	text := err.Error()
	line, col := 1, 1
	if m := parsePosition.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		col, _ = strconv.Atoi(m[2])
	}
	text = parseNoise.ReplaceAllString(text, "")
	if m := parseExpect.FindStringSubmatch(text); m != nil {
		text = fmt.Sprintf("found %q where %q belongs", m[2], m[3])
		p.Hint = DidYouMean(m[2], []string{m[3]})
		if !strings.HasPrefix(p.Hint, "did") {
			p.Hint = ""
		}
		line, col = back(st.text, line, col, m[2])
	}
	at := shift(st, line, col)
	p.Line, p.Column = at.line, at.col
	p.Text = "not Cedar: " + clipLong(text)
	switch {
	case strings.Contains(st.text, "?principal"), strings.Contains(st.text, "?resource"):
		p.Hint = "templates are not read; use groups and grants.yaml"
	case strings.HasPrefix(strings.TrimSpace(st.text), "allow"):
		p.Hint = "a policy begins with permit or forbid"
	}
	return p
}

// back finds the last token of that text before a position: the parser tells
// where it stands, which is behind the token that it did not want.
func back(text string, line, col int, token string) (int, int) {
	lines := strings.SplitAfter(text, "\n")
	if line > len(lines) || token == "" {
		return line, col
	}
	for n := line; n > 0 && n >= line-3; n-- {
		row := []rune(lines[n-1])
		if n == line {
			row = row[:min(max(col-1, 0), len(row))]
		}
		if i := strings.LastIndex(string(row), token); i >= 0 {
			return n, utf8.RuneCountInString(string(row)[:i]) + 1
		}
	}
	return line, col
}

// annotations reads @id, @reason and the duties. Others are refused: a
// misspelt duty would silently bind nobody.
func (cr *cedarReader) annotations(ru *rule, fail func(hint, format string, args ...any)) {
	ru.id = "permit"
	if ru.forbid {
		ru.id = "forbid"
	}
	known := []string{"id", "reason", "must_record", "log_content", "requires"}
	notes := ru.policy.Annotations()
	for _, key := range slices.Sorted(maps.Keys(notes)) {
		value := string(notes[key])
		switch key {
		case "id":
			if first, dup := cr.ids[value]; dup {
				fail("", "the id %q is given already in %s", clip(value), first)
			}
			if !idForm.MatchString(value) {
				fail("", "an id has 1 to 64 letters, digits and _ . -")
				continue
			}
			cr.ids[value] = fmt.Sprintf("%s:%d", ru.file, ru.line)
			ru.id = value
		case "reason":
			if err := checkText("the reason", value); err != nil || len(value) > 1024 {
				fail("one printing line of at most 1024 bytes", "the reason cannot be shown")
				continue
			}
			ru.reason = value
		case "must_record", "log_content":
			switch {
			case ru.forbid:
				fail("put it on the permit", "@%s means nothing on a forbid", key)
			case value != "true":
				fail(fmt.Sprintf(`write @%s("true")`, key), "@%s has the value %q", key, clip(value))
			case key == "must_record":
				ru.duties |= access.MustRecord
			default:
				ru.duties |= access.LogContent
			}
		case "requires":
			switch {
			case ru.forbid:
				fail("put it on the permit", "@%s means nothing on a forbid", key)
			case value != requiresWatcher:
				fail(`write @requires("watcher")`, "@%s has the value %q", key, clip(value))
			default:
				ru.duties |= access.Watched
			}
		default:
			fail(DidYouMean(string(key), known), "unknown annotation @%s", clip(string(key)))
		}
	}
}

// reaching refuses a permit of what only ssh.yaml permits: it would permit nothing.
func (cr *cedarReader) reaching(ru *rule, fail func(hint, format string, args ...any)) {
	if ru.forbid {
		return
	}
	var named []types.EntityUID
	switch t := ru.ast.Action.(type) {
	case ast.ScopeTypeEq:
		named = []types.EntityUID{t.Entity}
	case ast.ScopeTypeIn:
		named = []types.EntityUID{t.Entity}
	case ast.ScopeTypeInSet:
		named = t.Entities
	}
	for _, uid := range named {
		for _, v := range access.Reaching.List() {
			if uid == actionUID(v) {
				fail("write an entry in "+sshFile, "a policy cannot permit %q, only forbid it", v)
			}
		}
	}
}

// literals checks the people, groups and objects that a policy names, and
// where objects are named: as what something is compared with or lies in,
// never as what is asked about. Only the question's own object is known to
// the evaluator, so anything else would be answered wrongly or not at all.
func (cr *cedarReader) literals(ru *rule, fail func(hint, format string, args ...any)) {
	seen, allowed := 0, 0
	for _, uid := range scopeEntities(ru.ast) {
		cr.literal(uid, fail)
	}
	for _, c := range ru.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			var operands []ast.IsNode
			switch t := n.(type) {
			case ast.NodeValue:
				if uid, ok := t.Value.(types.EntityUID); ok {
					cr.literal(uid, fail)
					if _, object := objectKind(uid.Type); object {
						seen++
					}
				}
			case ast.NodeTypeEquals:
				operands = []ast.IsNode{t.Left, t.Right}
			case ast.NodeTypeNotEquals:
				operands = []ast.IsNode{t.Left, t.Right}
			case ast.NodeTypeIn:
				operands = []ast.IsNode{t.Right}
			case ast.NodeTypeIsIn:
				operands = []ast.IsNode{t.Entity}
			case ast.NodeTypeSet:
				operands = t.Elements
			}
			for _, o := range operands {
				if v, ok := o.(ast.NodeValue); ok {
					if uid, ok := v.Value.(types.EntityUID); ok {
						if _, object := objectKind(uid.Type); object {
							allowed++
						}
					}
				}
			}
			return true
		})
	}
	if seen > allowed {
		fail("ask about resource, and name objects on the right: resource in Session::\"alice/work\"", "a policy can ask nothing about an object it names")
	}
}

// literal checks one entity that a policy names.
func (cr *cedarReader) literal(uid types.EntityUID, fail func(hint, format string, args ...any)) {
	id := string(uid.ID)
	switch uid.Type {
	case typePerson:
		if cr.ps.list[id] == nil {
			fail(cr.ps.hintPerson(cr.r, id), "there is no person %q in %s", clip(id), peopleFile)
		}
		return
	case typeGroup:
		if cr.ps.groups[id] == nil {
			fail(cr.ps.hintGroup(cr.r, id), "there is no group %q", clip(id))
		}
		return
	}
	kind, ok := objectKind(uid.Type)
	if !ok {
		return // actions and unknown types are the checker's
	}
	sel, err := ParseSelector(id)
	switch {
	case err != nil:
		fail("", "%s::%q: %v", uid.Type, clip(id), err)
	case sel.Prefix:
		fail(`use resource in Server::"`+sel.Owner+`" and resource.session like "`+sel.Session+`*"`, "%s::%q: a star is no wildcard in Cedar", uid.Type, clip(id))
	case sel.Kind != kind:
		fail("", "%s::%q names a %s, not a %s", uid.Type, clip(id), sel.Kind, kind)
	case sel.Kind >= access.Server && cr.ps.list[sel.Owner] == nil:
		fail(cr.ps.hintPerson(cr.r, sel.Owner), "there is no person %q in %s to own %s", clip(sel.Owner), peopleFile, clip(id))
	}
}

// scopeEntities are the entities in the head of a policy, but for actions.
func scopeEntities(p *ast.Policy) []types.EntityUID {
	var out []types.EntityUID
	for _, scope := range []ast.IsScopeNode{p.Principal, p.Resource} {
		switch t := scope.(type) {
		case ast.ScopeTypeEq:
			out = append(out, t.Entity)
		case ast.ScopeTypeIn:
			out = append(out, t.Entity)
		case ast.ScopeTypeIsIn:
			out = append(out, t.Entity)
		}
	}
	return out
}

// flatten takes joined errors apart and drops repetitions.
func flatten(err error) []error {
	var out []error
	seen := map[string]bool{}
	var walk func(error)
	walk = func(e error) {
		var many interface{ Unwrap() []error }
		if errors.As(e, &many) {
			for _, sub := range many.Unwrap() {
				walk(sub)
			}
			return
		}
		if !seen[e.Error()] {
			seen[e.Error()] = true
			out = append(out, e)
		}
	}
	walk(err)
	return out
}

var (
	attributeNoise = regexp.MustCompile("attribute `([^`]*)`")
	actionNoise    = regexp.MustCompile("unrecognized action `Action::\"([^\"]*)\"`")
	typeNoise      = regexp.MustCompile("unrecognized entity type `([^`]*)`")
)

// validationHint says what to do about an error of the checker.
func validationHint(text string) string {
	attributes := []string{"owner", "session", "window", "pane", "granted", "own", "inside", "command", "door", "account", "mfa", "now"}
	if m := actionNoise.FindStringSubmatch(text); m != nil {
		return DidYouMean(m[1], append(verbWords(), roleWords()...))
	}
	if m := typeNoise.FindStringSubmatch(text); m != nil {
		return DidYouMean(m[1], []string{"Person", "Group", "Action", "Host", "Server", "Session", "Window", "Pane"})
	}
	if m := attributeNoise.FindStringSubmatch(text); m != nil {
		if slices.Contains(attributes, m[1]) {
			return fmt.Sprintf("not every object has it: write resource has %s && ..., or limit the policy with resource is", m[1])
		}
		return DidYouMean(m[1], attributes)
	}
	return "muxward policy schema prints the schema"
}

// clipLong keeps a long message readable.
func clipLong(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = s[:297] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// checkName reports whether s can be the name of a person.
func checkName(s string) bool {
	_, err := identity.CanonicalName(s)
	return err == nil
}

// entitiesOf lists every entity that a policy names.
func entitiesOf(p *ast.Policy) []types.EntityUID {
	out := scopeEntities(p)
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if v, ok := n.(ast.NodeValue); ok {
				if uid, ok := v.Value.(types.EntityUID); ok {
					out = append(out, uid)
				}
			}
			return true
		})
	}
	return out
}
