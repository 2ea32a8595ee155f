package teeth_test

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/teeth"
)

// top is the top of the source.
const top = "../.."

// Each check is listed, is asked for where it is, by its name, and has a control run;
// and whether it can be taken out is said at one place, and not by tags of other files.
func TestChecksHaveControlRuns(t *testing.T) {
	listed := names(t)
	asked, run, built := map[string]bool{}, map[string]bool{}, map[string]bool{}
	control := regexp.MustCompile(`\bteeth_([a-z_]+)`)
	walk(t, func(path string, text []byte) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") {
			if strings.HasPrefix(pkg, "test/attack") || strings.HasPrefix(pkg, "test/fidelity") {
				for _, m := range control.FindAllSubmatch(text, -1) {
					run[string(m[1])] = true
				}
			}
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if pkg == "internal/teeth" {
			return
		}
		for _, tag := range tags(file) {
			name, ok := strings.CutPrefix(tag, "teeth_")
			if tag == "teeth" || ok && slices.Contains(teeth.Checks(), teeth.Check(name)) {
				t.Errorf("%s has the build tag %s: checks are taken out by internal/teeth", path, tag)
			}
			built[name] = ok
		}
		for _, name := range asks(t, path, file) {
			asked[name] = true
		}
	})
	for name, check := range listed {
		if !slices.Contains(teeth.Checks(), check) {
			t.Errorf("Checks does not have %s", name)
		}
		if !asked[name] {
			t.Errorf("nothing asks whether %s is taken out", name)
		}
		if !run[string(check)] {
			t.Errorf("%s has no control run: no test names teeth_%s", name, check)
		}
	}
	for name := range run {
		if !built[name] && !slices.Contains(teeth.Checks(), teeth.Check(name)) {
			t.Errorf("a control run takes out %s, and there is no such check", name)
		}
	}
	if len(listed) < 40 || len(listed) != len(teeth.Checks()) {
		t.Errorf("%d checks have names, Checks has %d", len(listed), len(teeth.Checks()))
	}
}

// names are the constants of checks.go.
func names(t *testing.T) map[string]teeth.Check {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "checks.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]teeth.Check{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			all[v.Names[0].Name] = teeth.Check(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	return all
}

// asks are the names of the checks that a file asks for.
func asks(t *testing.T, path string, file *ast.File) (names []string) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || ofTeeth(call.Fun) != "Out" {
			return true
		}
		name := ofTeeth(call.Args[0])
		if name == "" {
			t.Errorf("%s asks for a check that is not called by its name", path)
		}
		names = append(names, name)
		return true
	})
	return names
}

// ofTeeth is what an expression selects from the package, if it does.
func ofTeeth(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == "teeth" {
			return s.Sel.Name
		}
	}
	return ""
}

// tags are the build tags that decide about a file.
func tags(file *ast.File) (all []string) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if x, err := constraint.Parse(c.Text); err == nil && c.Pos() < file.Package {
				x.Eval(func(tag string) bool { all = append(all, tag); return true })
			}
		}
	}
	return all
}

// walk reads every file of the source.
func walk(t *testing.T, read func(path string, text []byte)) {
	t.Helper()
	source := os.DirFS(top)
	err := fs.WalkDir(source, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := fs.ReadFile(source, path)
		if err == nil {
			read(path, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
