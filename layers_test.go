package muxward_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/muxward/muxward/"

// layers is the house: who may import whom. A room may import rooms of lower
// layers, and of its own layer only those that beside lists with a reason.
var layers = map[string]int{
	"internal/soak":               0,
	"internal/failpoint":          0,
	"internal/teeth":              0,
	"internal/pace":               0,
	"internal/ctxlock":            0,
	"internal/webhook":            0,
	"internal/tmux":               0,
	"internal/identity":           0,
	"internal/procfs":             0,
	"internal/accounts":           0,
	"internal/config":             0,
	"internal/siblings":           0,
	"internal/way":                0,
	"internal/trusted":            0,
	"internal/passed":             0,
	"internal/activation":         0,
	"internal/pane":               0,
	"packaging":                   0,
	"internal/tmux/wire":          1,
	"internal/access":             1,
	"internal/pam":                1,
	"internal/keep":               1,
	"internal/nss":                1,
	"internal/strictyaml":         1,
	"internal/sandbox":            0,
	"internal/authkeys":           1,
	"internal/reach":              1,
	"internal/profiles":           2,
	"internal/privsep":            2,
	"internal/privsep/monitor":    3,
	"internal/scrollback":         1,
	"internal/chooser":            1,
	"internal/picture":            2,
	"internal/tmux/control":       2,
	"internal/policy":             2,
	"internal/grants":             2,
	"internal/audit":              2,
	"internal/gateway":            2,
	"internal/attach":             3,
	"internal/guard":              3,
	"internal/executor":           3,
	"internal/sockets":            3,
	"internal/hostconf":           3,
	"internal/server/controlmode": 3,
	"internal/server/crowd":       1,
	"internal/acts":               3,
	"internal/settle":             3,
	"internal/server":             4,
	"internal/keyboard":           5,
	"internal/requests":           5,
	"internal/given":              5,
	"internal/daemon":             6,
	"cmd/muxward":                 7,
	"cmd/muxward-pam":             7,
	"cmd/muxward-pane":            7,
	"cmd/muxward-helper":          7,
}

// beside lists imports within one layer, each with its reason.
var beside = map[string]string{
	"internal/gateway -> internal/grants":                       "a revocation beats the policy, in the line itself",
	"internal/executor -> internal/attach":                      "a permit to attach becomes an attachment",
	"internal/executor -> internal/attach/keeper":               "and its terminal is kept",
	"internal/attach -> internal/attach/keeper":                 "an attachment registers its terminal",
	"internal/attach/keeper -> internal/attach/screen":          "the keeper puts a screen back as an attachment would",
	"internal/hostconf/hostcheck -> internal/hostconf/hostfile": "what is tried is what a host's files say",
	"internal/trusted -> internal/way":                          "whose a file is goes by all that leads to it",
	"internal/trusted -> internal/accounts":                     "a group is one account's alone by the files",
	"internal/siblings -> internal/trusted":                     "what has our rights is nobody else's to change",
	"internal/identity -> internal/passed":                      "who connects is held by a descriptor's copy",
	"internal/identity -> internal/procfs":                      "who connects is a process",
	"internal/identity -> internal/tmux":                        "panes are named by their ids",
	"internal/identity -> internal/teeth":                       "a control run takes a check out",
	"internal/tmux -> internal/teeth":                           "a control run takes a check out",
	"internal/config -> internal/siblings":                      "where a muxward serves is believed of root only",
	"internal/identity -> internal/accounts":                    "who connects has an account",
	"internal/pane -> internal/procfs":                          "what a session leaves behind are processes",
	"internal/pane -> internal/teeth":                           "a control run takes a check out",
	"internal/passed -> internal/teeth":                         "a control run takes a check out",
}

// forbidden is what the doors must never see, whatever their layer allows.
var forbidden = map[string][]string{
	"internal/server":             {"internal/policy", "internal/executor", "internal/audit", "internal/grants", "internal/guard", "internal/pam"},
	"internal/server/controlmode": {"internal/policy", "internal/executor", "internal/audit", "internal/grants", "internal/guard"},
	"internal/policy":             {"net", "os/exec", "time/tzdata"},
	// What accounts' servers say is not heard where their rights are, nor the other way round.
	"internal/keep": {"net", "internal/identity", "internal/tmux", "internal/tmux/wire", "internal/tmux/control", "internal/access"},
	// The daemon takes what a command line says as values, and no command knows more of it than how to
	// begin it: what they say to each other is in internal/acts.
	"internal/daemon": {"github.com/spf13/cobra", "github.com/spf13/pflag", "flag"},
	// What a service is told of servers, displays and the log it is told by the daemon, as narrow as it needs that.
	"internal/given":    {"net", "os/exec", "internal/guard", "internal/audit", "internal/keep"},
	"internal/requests": {"net", "os", "os/exec", "internal/guard", "internal/audit", "internal/keep"},
	"internal/keyboard": {"net", "os", "os/exec", "internal/guard", "internal/audit", "internal/keep"},
	"internal/acts":     {"net", "os", "os/exec", "internal/policy", "internal/server"},
	"cmd/muxward":       {"internal/executor", "internal/guard", "internal/tmux/control", "internal/tmux/wire"},
	"internal/guard":    {"os/exec", "golang.org/x/sys/unix", "syscall"},
}

// alone are rooms that one file imports, which is all that the outside knows of them: nothing of their closets.
var alone = map[string]string{"internal/daemon": "cmd/muxward/serve.go"}

// testOnly are rooms that no program may import.
var testOnly = []string{"internal/tmux/tmuxtest", "internal/attach/attachtest", "internal/soak"}

func room(pkg string) string {
	best := ""
	for r := range layers {
		if (pkg == r || strings.HasPrefix(pkg, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func TestLayers(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			target, _ := strconv.Unquote(imp.Path.Value)
			checkImport(t, path, target)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRoomsAreTold: ARCHITECTURE.md has each room, at its layer, and no other.
func TestRoomsAreTold(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*) \|`).FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[2], -1) {
			r := name[1]
			for _, at := range []string{"internal/" + r, "internal/" + filepath.Dir(r), r} {
				if _, ok := layers[at]; ok {
					told[at], _ = strconv.Atoi(row[1])
					break
				}
			}
		}
	}
	if !maps.Equal(told, layers) {
		t.Errorf("ARCHITECTURE.md has\n%v\nand the rooms are\n%v", told, layers)
	}
}

func checkImport(t *testing.T, path, target string) {
	t.Helper()
	pkg := filepath.ToSlash(filepath.Dir(path))
	inTest := strings.HasSuffix(path, "_test.go") || room(pkg) == "" || strings.HasPrefix(pkg, "internal/tmux/tmuxtest")
	for from, list := range forbidden {
		if room(pkg) != from || inTest {
			continue
		}
		for _, bad := range list {
			if target == bad || room(strings.TrimPrefix(target, module)) == bad {
				t.Errorf("%s imports %s: this room must never see it", path, target)
			}
		}
	}
	to, ours := strings.CutPrefix(target, module)
	if !ours || inTest {
		return
	}
	if only := alone[room(to)]; only != "" && room(pkg) != room(to) && (to != room(to) || filepath.ToSlash(path) != only) {
		t.Errorf("%s imports %s: %s imports %s, and nothing else does", path, to, only, room(to))
	}
	for _, r := range testOnly {
		if to == r {
			t.Errorf("%s imports %s, which is for tests", path, to)
		}
	}
	a, b := room(pkg), room(to)
	if b == "" {
		t.Errorf("%s imports %s, which has no place in the table of layers", path, to)
		return
	}
	if a == b && (pkg == to || strings.HasPrefix(pkg, to+"/") || strings.HasPrefix(to, pkg+"/")) {
		return // a room and its closets
	}
	if layers[a] > layers[b] || beside[pkg+" -> "+to] != "" {
		return
	}
	t.Errorf("%s (layer %d) imports %s (layer %d): layers go down only", pkg, layers[a], to, layers[b])
}

// TestHouseRules: no init, no mutable exported variables, files and functions
// of a size that fits a reader.
func TestHouseRules(t *testing.T) {
	checkHouse(t)
}
