package muxward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines = 700
	maxFuncLines = 80
)

func checkHouse(t *testing.T) {
	t.Helper()
	docs := map[string]bool{}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.Dir(path)
		seen[dir] = true
		docs[dir] = docs[dir] || f.Doc != nil
		if n := fset.File(f.Pos()).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", path, n, maxFileLines)
		}
		for _, decl := range f.Decls {
			checkDecl(t, fset, path, decl)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range seen {
		if !docs[dir] {
			t.Errorf("package in %s has no doc comment", dir)
		}
	}
}

// TestVersionsRunsAll: what starts tmux is tried with each version, wherever it was moved to.
// Below cmd and packaging nothing does.
func TestVersionsRunsAll(t *testing.T) {
	script, err := os.ReadFile("scripts/versions")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "${PACKAGES:-")
	list, _, _ = strings.Cut(list, "}")
	takes := func(dir string) bool {
		return slices.ContainsFunc(strings.Fields(list), func(pattern string) bool {
			under, all := strings.CutSuffix(strings.TrimPrefix(pattern, "./"), "/...")
			return dir == under || all && strings.HasPrefix(dir, under+"/")
		})
	}
	for _, root := range []string{"test", "internal"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			uses := strings.Contains(string(text), `muxward/internal/tmux/tmuxtest"`) || strings.Contains(string(text), `muxward/test/host"`)
			if dir := filepath.Dir(path); uses && !takes(dir) {
				t.Errorf("make versions does not run %s: name %s in scripts/versions", path, dir)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSkipsAreCounted: a test that is left out is told of, so none skips in a
// way that nobody counts. Without tmuxtest.Main one that is left out fails.
func TestSkipsAreCounted(t *testing.T) {
	skips, counts := map[string]string{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "tmuxtest") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if d, is := n.(*ast.FuncDecl); is && d.Name.Name == "TestMain" {
				counts[filepath.Dir(path)] = true
			}
			s, ok := n.(*ast.SelectorExpr) // called or not: f := t.Skip is one, too
			if !ok {
				return true
			}
			x, _ := s.X.(*ast.Ident)
			if x != nil && x.Name == "tmuxtest" && (s.Sel.Name == "Skip" || s.Sel.Name == "Missing") && strings.HasSuffix(path, "_test.go") {
				skips[filepath.Dir(path)] = path
				return true
			}
			testing := x != nil && (x.Name == "t" || x.Name == "b" || x.Name == "f" || x.Name == "tb")
			if s.Sel.Name == "Skipf" || s.Sel.Name == "SkipNow" || s.Sel.Name == "Skip" && testing {
				t.Errorf("%s skips without tmuxtest.Skip: it would not be counted", path)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, path := range skips {
		if !counts[dir] {
			t.Errorf("%s skips, and in its package is no func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(m)) }: it would fail", path)
		}
	}
}

func checkDecl(t *testing.T, fset *token.FileSet, path string, decl ast.Decl) {
	t.Helper()
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			t.Errorf("%s has an init function", path)
		}
		if d.Body == nil {
			return
		}
		if n := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1; n > maxFuncLines {
			t.Errorf("%s: %s has %d lines, more than %d", path, d.Name.Name, n, maxFuncLines)
		}
	case *ast.GenDecl:
		if d.Tok != token.VAR {
			return
		}
		for _, s := range d.Specs {
			for _, name := range s.(*ast.ValueSpec).Names {
				if name.IsExported() && !strings.HasPrefix(name.Name, "Err") {
					t.Errorf("%s: exported variable %s", path, name.Name)
				}
			}
		}
	}
}
