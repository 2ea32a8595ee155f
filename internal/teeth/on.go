//go:build teeth

package teeth

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// out are the checks that are taken out of this process, whatever it is run for: it is read
// before anything begins.
var out = read(os.Getenv("MUXWARD_TEETH"))

// read reads a list of checks, with commas between. A name that is none ends the process:
// otherwise a control run would be one against everything.
func read(list string) (out []Check) {
	if list == "" {
		return nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(Checks(), Check(name)) {
			fmt.Fprintf(os.Stderr, "muxward: MUXWARD_TEETH has %q, which is no check: internal/teeth lists them\n", name)
			os.Exit(2)
		}
		out = append(out, Check(name))
	}
	return out
}

// Out reports whether a check is taken out.
func Out(c Check) bool { return slices.Contains(out, c) }
