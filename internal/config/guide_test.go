package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGuideHasEveryKey: docs/guide/configuration.md lists what a file may have, in tables,
// and nothing else.
func TestGuideHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		told = append(told, row[1])
	}
	// ssh and isolated have a table each, and webhook's are in its row.
	all := keys(reflect.TypeFor[Config]())
	all = strings.NewReplacer(" (url, secret)", "", "ssh (", "", "isolated (NAME: ", "", "(", "", ")", "").Replace(all)
	want := strings.Split(all, ", ")
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("it has\n%s\nand the keys are\n%s", told, want)
	}
}
