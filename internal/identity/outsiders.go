package identity

import (
	"maps"
	"sync"

	"github.com/muxward/muxward/internal/procfs"
)

// process is one process for ever: ids are reused, but not within a tick.
type process struct {
	pid   int
	start uint64
}

// outsiders are processes that were found to come from no guarded pane, and
// never will: whoever loses its parent goes to another of its ancestors, or to
// the init of its pid namespace. Following each connection's process up to init
// again and again would be most of what a proof costs.
//
// That holds for the servers there were. A server that is new here, as one
// that is adopted, may be an ancestor of what was found to be outside: what is
// known is known for one set of servers, and forgotten with the next.
type outsiders struct {
	mu      sync.Mutex
	servers map[int]bool
	known   map[process]bool

	memory procfs.Memory // of who minds panes
}

// maxOutsiders bounds how many are remembered.
const maxOutsiders = 4096

// has reports whether p is known to be outside of the panes of these servers.
func (o *outsiders) has(p process, servers map[int]bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !maps.Equal(o.servers, servers) {
		o.known, o.servers = nil, servers
	}
	return o.known[p]
}

// add remembers a line of ancestors that was found to be outside. The first of
// it is the process that connected, which will hardly be met again.
func (o *outsiders) add(line []process, servers map[int]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(line) < 2 || !maps.Equal(o.servers, servers) {
		return
	}
	if o.known == nil || len(o.known) > maxOutsiders {
		o.known = map[process]bool{}
	}
	for _, p := range line[1:] {
		o.known[p] = true
	}
}

// serversOf gives the processes of the servers in a list.
func serversOf(panes []PaneProc) map[int]bool {
	out := map[int]bool{}
	for _, p := range panes {
		if p.Pane == "" {
			out[p.PID] = true
		}
	}
	return out
}
