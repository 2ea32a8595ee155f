package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// problemsOf loads a directory that must be refused, and gives the mistakes
// one in a line.
func problemsOf(t testing.TB, files map[string]string) string {
	t.Helper()
	s, err := Load(writeDir(t, files))
	var ps Problems
	if s != nil || !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("loaded; want Problems, got %v", err)
	}
	return ps.Error()
}

// aKey is some public key.
const aKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"

// The keys of the people file are those of its people.
func TestKeysOfPeople(t *testing.T) {
	s, err := Load(writeDir(t, map[string]string{grantsFile: "grants: []\n",
		peopleFile: "people:\n  alice: {uid: 1000}\n  bob: {keys: ['from=\"10.0.0.1\" " + aKey + " bob@laptop']}\n"}))
	if err != nil {
		t.Fatal(err)
	}
	keys := s.SSHKeys()
	if len(keys) != 1 || keys[0].Person() != "bob" || keys[0].Where() != "people.yaml:3" {
		t.Errorf("the keys are %v", keys)
	}
	if uid, ok := s.UIDOf("alice"); !ok || uid != 1000 {
		t.Errorf("alice has the uid %d, %v", uid, ok)
	}
	if _, ok := s.UIDOf("bob"); ok {
		t.Error("bob has a uid")
	}
	if accounts := s.Accounts(); !slices.Equal(accounts, []string{"alice", "bob"}) {
		t.Errorf("the accounts are %q", accounts)
	}
}

// Every mistake is told with its place and what to do (CF-03, AU-07).
func TestMistakesHavePlaces(t *testing.T) {
	people := func(s string) map[string]string { return map[string]string{peopleFile: s, grantsFile: "grants: []\n"} }
	grants := func(s string) map[string]string { return map[string]string{grantsFile: "grants:\n  - " + s + "\n"} }
	rules := func(s string) map[string]string { return map[string]string{"r.cedar": s + "\n"} }
	for name, c := range map[string]struct {
		files map[string]string
		want  []string // each must be in the text
	}{
		"unknown key":           {people("people: {}\ngropus: {}\n"), []string{`people.yaml:2:1: unknown key "gropus" in the file (did you mean groups?)`}},
		"unknown key in person": {people("people:\n  bob:\n    uidd: 3\n"), []string{`people.yaml:3:5: unknown key "uidd" in the person bob (did you mean uid?)`}},
		"duplicate key":         {people("people:\n  bob: {}\n  bob: {}\n"), []string{`people.yaml:3:3: "bob" is given twice, first in line 2`}},
		"all at once":           {people("people:\n  Bob: {}\n  x: {uid: a}\n  y: {groups: [no]}\n"), []string{"people.yaml:2:3", "people.yaml:3:12", `people.yaml:4:16: there is no group "no" (declare it under groups:`}},
		"BOM":                   {people("\ufeffpeople: {}\n"), []string{"people.yaml:1:1: begins with a byte order mark"}},
		"CRLF":                  {people("people: {}\r\n"), []string{"people.yaml:1:11: a carriage return (save it with plain line ends"}},
		"tab":                   {people("people:\n\tbob: {}\n"), []string{"people.yaml:2:1: not YAML", "indent with spaces, not tabs"}},
		"tab after spaces":      {people("people:\n  bob:\n  \t uid: 1\n"), []string{"people.yaml:3:", "indent with spaces"}},
		"control character":     {people("people: {} # \x1b[2J\n"), []string{"people.yaml:1:14: the character U+001B"}},
		"turned text":           {people("people: {} # \u202e\n"), []string{"people.yaml:1:14: the character U+202E"}},
		"not UTF-8":             {people("people: {} # \xff\n"), []string{"people.yaml:1:14: the byte 0xff is not UTF-8"}},
		"cut off":               {people("people:\n  bob: {}\n  ali"), []string{"people.yaml:3:6: the last line has no end (half-written?"}},
		"only comments":         {people("# nobody\n"), []string{"people.yaml:1:1", "no documents"}},
		"a list":                {people("- bob\n"), []string{"people.yaml:1:1: the file must be a mapping (key: value), not a list"}},
		"two documents":         {people("people: {}\n---\npeople: {}\n"), []string{"one document in a file"}},
		"alias":                 {people("people: &a {}\ngroups: *a\n"), []string{"people.yaml:1:9: anchors are not read", "people.yaml:2:9: aliases are not read"}},
		"merge":                 {people("people:\n  <<: {bob: {}}\n"), []string{"people.yaml:2:3: a key must be a plain word"}},
		"tag":                   {people("people: !!map {}\n"), []string{"people.yaml:1:9: the tag"}},
		"alias bomb":            {people(aliasBomb()), []string{"anchors are not read"}},
		"no people":             {people("groups: {}\n"), []string{`the key "people" is missing`}},
		"recursive groups":      {people("people: {}\ngroups:\n  a: [\"@b\"]\n  b: [\"@c\"]\n  c: [\"@a\"]\n"), []string{"people.yaml:5:1: the group a contains itself, through @c"}},
		"own group":             {people("people: {}\ngroups:\n  a: [\"@a\"]\n"), []string{"the group a contains itself, through @a"}},
		"unknown member":        {people("people: {alice: {}}\ngroups:\n  a: [alcie]\n"), []string{`people.yaml:3:7: there is no person "alcie" in people.yaml (did you mean alice?)`}},
		"member is a group":     {people("people: {}\ngroups:\n  a: [b]\n  b: []\n"), []string{`the group is written "@b"`}},
		"uid twice":             {people("people:\n  a: {uid: 7}\n  b: {uid: 7}\n"), []string{"people.yaml:3:12: the uid 7 belongs to a already, in line 2"}},
		"uid of nobody":         {people("people:\n  a: {uid: 65534}\n"), []string{"people.yaml:2:12", "it proves nothing"}},
		"uid in octal":          {people("people:\n  a: {uid: 010}\n"), []string{`a uid must be a number from 0 to 4294967294, not "010"`}},
		"uid -1":                {people("people:\n  a: {uid: 4294967295}\n"), []string{"a uid must be a number"}},
		"account twice":         {people("people:\n  a: {account: b}\n  b: {}\n"), []string{`people.yaml:3:3: the account "b" belongs to a already`}},
		"key twice":             {people("people:\n  a: {keys: [" + aKey + ", " + aKey + " again]}\n"), []string{"people.yaml:2:", "given twice"}},
		"key of two":            {people("people:\n  a: {keys: [" + aKey + "]}\n  b: {keys: " + aKey + "}\n"), []string{"people.yaml:3:13: the key SHA256:", "belongs to a already"}},
		"key with a command":    {people("people:\n  a: {keys: ['command=\"id\" " + aKey + "']}\n"), []string{"people.yaml:2:14: a key of a: the option command= is not taken"}},
		"no key":                {people("people:\n  a: {keys: [alice]}\n"), []string{"people.yaml:2:14: a key of a: no public key"}},

		"capital":    {people("people:\n  Alice: {}\n"), []string{`people.yaml:2:3: a person's name "Alice" has 'A'`}},
		"blank":      {people("people:\n  \"alice \": {}\n"), []string{"people.yaml:2:3", "alice "}},
		"cyrillic":   {people("people:\n  aliсe: {}\n"), []string{"people.yaml:2:3"}},
		"at host":    {people("people:\n  alice@host: {}\n"), []string{"people.yaml:2:3"}},
		"long":       {people("people:\n  " + strings.Repeat("a", 300) + ": {}\n"), []string{"300 bytes"}},
		"quoted":     {people("people:\n  '\"alice\"': {}\n"), []string{"people.yaml:2:3"}},
		"entity uid": {people("people:\n  'Person::\"x\"': {}\n"), []string{"people.yaml:2:3"}},

		"no grants key":     {map[string]string{grantsFile: "grnts: []\n"}, []string{`grants.yaml:1:1: unknown key "grnts" in the file (did you mean grants?)`}},
		"star unquoted":     {grants("{who: *, role: viewer, on: alice, reason: x}"), []string{"grants.yaml:2:", `a star is written in quotes: "*"`}},
		"group unquoted":    {grants("{who: @oncall, role: viewer, on: alice, reason: x}"), []string{"grants.yaml:2:", `a group is written in quotes: "@oncall"`}},
		"role misspelt":     {grants("{who: bob, role: viewr, on: alice, reason: x}"), []string{`grants.yaml:2:22: there is no role "viewr" (did you mean viewer?)`}},
		"verb misspelt":     {grants("{who: bob, verbs: [view, tpye], on: alice, reason: x}"), []string{`grants.yaml:2:30: there is no verb "tpye" (did you mean type?)`}},
		"role as verb":      {grants("{who: bob, verbs: typist, on: alice, reason: x}"), []string{"that is a role: write role: typist"}},
		"both":              {grants("{who: bob, role: viewer, verbs: view, on: alice, reason: x}"), []string{`either "role" or "verbs"`}},
		"no verbs":          {grants("{who: bob, verbs: [], on: alice, reason: x}"), []string{"the list of verbs is empty"}},
		"nobody":            {grants("{who: bpb, role: viewer, on: alice, reason: x}"), []string{`grants.yaml:2:11: there is no person "bpb" in people.yaml (did you mean bob?)`}},
		"stranger":          {grants("{who: zebedee, role: viewer, on: alice, reason: x}"), []string{"add `zebedee: {}` to people.yaml"}},
		"capital who":       {grants("{who: Bob, role: viewer, on: alice, reason: x}"), []string{"did you mean bob?"}},
		"group missing":     {grants("{who: \"@oncal\", role: viewer, on: alice, reason: x}"), []string{`there is no group "oncal" (did you mean oncall?)`}},
		"no reason":         {grants("{who: bob, role: viewer, on: alice}"), []string{`grants.yaml:2:5: the grant has no "reason"`}},
		"unknown owner":     {grants("{who: bob, role: viewer, on: alcie/work, reason: x}"), []string{"did you mean alice?"}},
		"id in selector":    {grants("{who: bob, role: viewer, on: \"%3\", reason: x}"), []string{`the id "%3" names nothing`}},
		"no owner":          {grants("{who: bob, role: viewer, on: \"work:1\", reason: x}"), []string{`"work:1" does not say whose session it is; write OWNER/work:1`}},
		"bad moment":        {grants("{who: bob, role: viewer, on: alice, reason: x, until: tomorrow}"), []string{"grants.yaml:2:59: until is no moment", "2027-01-31T18:00:00Z"}},
		"moment, no zone":   {grants("{who: bob, role: viewer, on: alice, reason: x, until: 2027-01-01T00:00:00}"), []string{"until is no moment"}},
		"date only":         {grants("{who: bob, role: viewer, on: alice, reason: x, until: 2027-01-01}"), []string{"until is no moment"}},
		"requires":          {grants("{who: bob, role: viewer, on: alice, reason: x, requires: somebody}"), []string{`requires is watcher, not "somebody"`}},
		"requires for what": {grants("{who: bob, verbs: [view, kick], on: alice, reason: x, requires: watcher}"), []string{"nobody has to watch view,kick"}},
		"record":            {grants("{who: bob, role: viewer, on: alice, reason: x, record: yes}"), []string{"record"}},
		"reason not text":   {grants("{who: bob, role: viewer, on: alice, reason: 5}"), []string{`the reason must be a text, not a number (to mean the word, quote it: "5")`}},
		"reason escapes":    {grants("{who: bob, role: viewer, on: alice, reason: \"a\\nb\"}"), []string{"the reason holds the character U+000A"}},
		"by nobody":         {grants("{who: bob, role: viewer, on: alice, reason: x, by: zed}"), []string{`there is no person "zed"`}},
		"long word":         {grants("{who: " + strings.Repeat("z", 500) + ", role: viewer, on: alice, reason: x}"), []string{"zzz..."}},
		"another yaml":      {map[string]string{"grant.yaml": "grants: []\n"}, []string{"grant.yaml: is no policy file (did you mean grants.yaml?)"}},
		"yml":               {map[string]string{"grants.yml": "grants: []\n"}, []string{"grants.yml: is no policy file"}},
		"capital cedar":     {map[string]string{"r.CEDAR": "x\n"}, []string{"r.CEDAR: is no policy file"}},
		"people missing":    {map[string]string{peopleFile: "-"}, []string{"people.yaml: the file is missing"}},
		"grants missing":    {map[string]string{grantsFile: "-"}, []string{"grants.yaml: the file is missing"}},
		"two grants files":  {map[string]string{"a.grants.yaml": "grants: [{}]\n"}, []string{`a.grants.yaml:1:10: the grant has no "who"`}},

		"cedar syntax":       {rules("permit (principal, action, resource)\nwhen { context.own == };"), []string{"r.cedar:2:24: not Cedar"}},
		"second policy":      {rules("permit (principal, action, resource);\n\n  forbid (principal, acton, resource);"), []string{`r.cedar:3:22: not Cedar: found "acton" where "action" belongs (did you mean action?)`}},
		"both policies":      {rules("permit (x);\nforbid (y);"), []string{"r.cedar:1:9", "r.cedar:2:9"}},
		"cut policy":         {rules("permit (principal, action, resource)"), []string{"needs a ;"}},
		"open string":        {rules("permit (principal == Person::\"bob, action, resource);"), []string{"r.cedar:1:30: the string has no end"}},
		"open bracket":       {rules("permit (principal, action, resource;"), []string{"r.cedar:1:36: the policy ends inside brackets"}},
		"comment only":       {rules("// permit (principal, action, resource);"), []string{"the file holds no policy"}},
		"attribute":          {rules("forbid (principal, action, resource) when { context.iside };"), []string{"r.cedar:1:1", "did you mean inside?"}},
		"unguarded":          {rules("\n\n  forbid (principal, action, resource) when { resource.session == \"x\" };"), []string{"r.cedar:3:3", "write resource has session &&"}},
		"action":             {rules("permit (principal, action == Action::\"tpye\", resource);"), []string{"did you mean type?"}},
		"entity type":        {rules("permit (principal in Grup::\"oncall\", action, resource);"), []string{"did you mean Group?"}},
		"type error":         {rules("permit (principal, action, resource) when { context.door == 3 };"), []string{"r.cedar:1:1: the policy does not fit the schema"}},
		"person":             {rules("permit (principal == Person::\"bib\", action, resource);"), []string{`there is no person "bib" in people.yaml (did you mean bob?)`}},
		"group":              {rules("permit (principal in Group::\"oncal\", action, resource);"), []string{"did you mean oncall?"}},
		"session":            {rules("permit (principal, action, resource in Session::\"work\");"), []string{`Session::"work" names a server, not a session`}},
		"session of nobody":  {rules("permit (principal, action, resource in Session::\"alic/work\");"), []string{"did you mean alice?"}},
		"star in cedar":      {rules("permit (principal, action, resource in Session::\"alice/w*\");"), []string{"a star is no wildcard in Cedar"}},
		"pane id":            {rules("permit (principal, action, resource == Pane::\"%3\");"), []string{"names nothing"}},
		"asks named object":  {rules("permit (principal, action, resource) when { Session::\"alice/work\".session == \"x\" };"), []string{"a policy can ask nothing about an object it names"}},
		"named object in":    {rules("permit (principal, action, resource) when { Session::\"alice/work\" in Server::\"alice\" };"), []string{"a policy can ask nothing about an object it names"}},
		"named through if":   {rules("permit (principal, action, resource is Session) when { (if context.own then Session::\"alice/work\" else resource).session == \"x\" };"), []string{"a policy can ask nothing about an object it names"}},
		"annotation":         {rules("@must_recrod(\"true\")\npermit (principal, action, resource);"), []string{"unknown annotation @must_recrod (did you mean must_record?)"}},
		"annotation value":   {rules("@must_record(\"yes\")\npermit (principal, action, resource);"), []string{`write @must_record("true")`}},
		"requires what":      {rules("@requires(\"two\")\npermit (principal, action, resource);"), []string{`write @requires("watcher")`}},
		"requires on forbid": {rules("@requires(\"watcher\")\nforbid (principal, action, resource);"), []string{"means nothing on a forbid"}},
		"duty on forbid":     {rules("@must_record(\"true\")\nforbid (principal, action, resource);"), []string{"means nothing on a forbid"}},
		"same id":            {rules("@id(\"a\")\npermit (principal, action, resource);\n@id(\"a\")\nforbid (principal, action, resource);"), []string{`r.cedar:3:1: the id "a" is given already in r.cedar:1`}},
		"bad id":             {rules("@id(\"a b\")\npermit (principal, action, resource);"), []string{"an id has 1 to 64 letters"}},
		"reason with escape": {rules("@reason(\"a\\u{1b}b\")\npermit (principal, action, resource);"), []string{"the reason cannot be shown"}},
		"template":           {rules("permit (principal == ?principal, action, resource);"), []string{"templates are not read"}},
		"unparsable date":    {rules("permit (principal, action, resource) when { context.now < datetime(\"soon\") };"), []string{"r.cedar:1:1"}},
		"deep":               {rules("permit (principal, action, resource) when { " + strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200) + " };"), []string{"nested deeper than 64"}},
		"many operators":     {rules("permit (principal, action, resource) when { true" + strings.Repeat(" && true", 5000) + " };"), []string{"more than 512 operators"}},
		"large policy":       {rules("permit (principal, action, resource) when { [" + strings.Repeat(`"x",`, 20000) + "\"x\"].contains(context.door) };"), []string{"more than 64 KiB"}},
		"many policies":      {rules(strings.Repeat("permit(principal,action,resource);\n", maxPolicies+5)), []string{"more than 2000 policies"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, c.files)
			for _, w := range c.want {
				if !strings.Contains(got, w) {
					t.Errorf("got\n%s\nwant %q in it", got, w)
				}
			}
			if strings.Contains(got, "%!") || strings.Contains(got, "\x1b") {
				t.Errorf("a broken message: %q", got)
			}
		})
	}
}

func aliasBomb() string {
	var b strings.Builder
	b.WriteString("people: &p0 [a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "x%d: &p%d [*p%d, *p%d, *p%d, *p%d, *p%d, *p%d, *p%d, *p%d, *p%d]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	return b.String()
}

// What is large is refused or read, and never hangs (CF-03, DO-06).
func TestLargeDirectories(t *testing.T) {
	t.Run("a large file", func(t *testing.T) {
		got := problemsOf(t, map[string]string{"big.cedar": "//" + strings.Repeat("x", maxFile) + "\n"})
		if !strings.Contains(got, "big.cedar: has more than 1024 KiB") {
			t.Error(got)
		}
	})
	t.Run("many files", func(t *testing.T) {
		files := map[string]string{}
		for i := range 54 {
			files[fmt.Sprintf("f%02d.cedar", i)] = "//" + strings.Repeat("x", maxFile-16) + "\n"
		}
		if got := problemsOf(t, files); !strings.Contains(got, "more than 50 MiB together") {
			t.Error(got)
		}
	})
	t.Run("grants of many files", func(t *testing.T) {
		files := map[string]string{}
		for i := range 8 {
			files[fmt.Sprintf("t%d.grants.yaml", i)] = manyGrants(i, 2000)
		}
		s := mustLoad(t, files)
		if n := s.Size().Grants; n != 16000 {
			t.Errorf("%d grants", n)
		}
		if d := s.Decide(ask(t, "bob view alice/s3-1999:1")); !d.Allow {
			t.Error(d)
		}
	})
	t.Run("the budget ends", func(t *testing.T) {
		var r report
		spent := time.Duration(0)
		b := &budget{spent: func() time.Duration { spent += 600 * time.Millisecond; return spent }}
		files := modelFiles("grants: []\n", strings.Repeat("permit(principal,action,resource);\n", 20))
		if load(files, b, &r) != nil || !strings.Contains(r.err().Error(), "m.cedar:1:1: the policy takes more than 2s") {
			t.Errorf("got %v", r.err())
		}
	})
	t.Run("groups in groups in groups", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("people:\n")
		for i := range 1000 {
			fmt.Fprintf(&b, "  p%d: {groups: [g0]}\n", i)
		}
		b.WriteString("groups:\n  g0: []\n")
		for i := range 2000 {
			fmt.Fprintf(&b, "  g%d: [\"@g%d\"]\n", i+1, i)
		}
		if got := problemsOf(t, map[string]string{peopleFile: b.String()}); !strings.Contains(got, "more than 500000 members together") {
			t.Error(got)
		}
	})
	t.Run("many mistakes", func(t *testing.T) {
		got := problemsOf(t, map[string]string{grantsFile: "grants:\n" + strings.Repeat("  - {who: x}\n", 5000)})
		if n := strings.Count(got, "\n"); n != maxProblems || !strings.Contains(got, "and 4950 more problems") {
			t.Errorf("%d lines, the last %q", n, got[strings.LastIndexByte(got, '\n')+1:])
		}
	})
}

func manyGrants(file, n int) string {
	var b strings.Builder
	b.WriteString("grants:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {who: bob, role: viewer, on: alice/s%d-%d, reason: r}\n", file, i)
	}
	return b.String()
}

// What the file system can put into the way is told, and hangs nobody.
func TestOddFiles(t *testing.T) {
	odd := func(make func(t *testing.T, dir string)) string {
		dir := writeDir(t, nil)
		make(t, dir)
		_, err := Load(dir)
		return fmt.Sprint(err)
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, want string
		make       func(t *testing.T, dir string)
	}{
		{"named pipe", "r.cedar: is no plain file", func(t *testing.T, dir string) { must(syscall.Mkfifo(filepath.Join(dir, "r.cedar"), 0o600)) }},
		{"dangling link", "r.cedar: no such file", func(t *testing.T, dir string) { must(os.Symlink("nowhere", filepath.Join(dir, "r.cedar"))) }},
		{"device", "r.cedar: is no plain file", func(t *testing.T, dir string) { must(os.Symlink("/dev/zero", filepath.Join(dir, "r.cedar"))) }},
		{"directory of that name", "<nil>", func(t *testing.T, dir string) { must(os.Mkdir(filepath.Join(dir, "r.cedar"), 0o755)) }},
		{"policies further down", "team/r.cedar: directories inside a policy directory are not read", func(t *testing.T, dir string) {
			must(os.Mkdir(filepath.Join(dir, "team"), 0o755))
			must(os.WriteFile(filepath.Join(dir, "team", "r.cedar"), []byte("x\n"), 0o644))
		}},
		{"writable file", "grants.yaml: may be written by everybody", func(t *testing.T, dir string) { must(os.Chmod(filepath.Join(dir, grantsFile), 0o666)) }},
		{"writable directory", "may be written by everybody", func(t *testing.T, dir string) { must(os.Chmod(dir, 0o777)) }},
		{"git and notes", "<nil>", func(t *testing.T, dir string) {
			must(os.Mkdir(filepath.Join(dir, ".git"), 0o755))
			must(os.WriteFile(filepath.Join(dir, "README.md"), []byte("hi"), 0o644))
			must(os.WriteFile(filepath.Join(dir, "grants.yaml~"), []byte("hi"), 0o644))
		}},
	} {
		if got := odd(c.make); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Digest changes with any policy file, and with nothing else.
func TestDigest(t *testing.T) {
	dir := writeDir(t, nil)
	first := Digest(dir)
	if err := os.WriteFile(filepath.Join(dir, "README"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := Digest(dir); again != first {
		t.Error("the digest changed with a file that is no policy")
	}
	if err := os.WriteFile(filepath.Join(dir, grantsFile), []byte("grants: [] # new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	second := Digest(dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if third := Digest(dir); second == first || third == second || third == first {
		t.Error("digests of different directories are equal")
	}
}
