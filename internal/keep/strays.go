package keep

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// strays are whether there is more in a directory that is an account's than muxward has put there. Its
// account may have made it; it takes up the file system that our own files are on, and
// nothing is removed that may be somebody's. So it is told, once.
type strays struct{ told bool }

// maxStrays is how many of them are named.
const maxStrays = 4

// news gives what is to be told of a directory in which our own file has a name, "" for nothing new.
func (s *strays) news(dir *os.File, own string) string {
	again, err := openDirAt(int(dir.Fd()), ".")
	if err != nil {
		return "" // of that it is told elsewhere
	}
	defer again.Close()
	names, _ := again.Readdirnames(maxStrays + 1) // what cannot be listed is not told
	names = slices.DeleteFunc(names, func(n string) bool { return n == own })
	was := s.told
	if s.told = len(names) > 0; !s.told || was {
		return ""
	}
	var said []string
	for _, n := range names[:min(len(names), maxStrays)] {
		size := int64(0)
		if st, err := statAt(again, n); err == nil {
			size = st.Size
		}
		said = append(said, fmt.Sprintf("%q (%d bytes)", n, size))
	}
	return " has more in it than muxward has put there: " + strings.Join(said, ", ") + "; its account can fill the file system by that: look at it, and remove it"
}
