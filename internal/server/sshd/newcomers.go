package sshd

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// source is where a connection comes from: an address, or a network of version 6
// that one customer has; and the larger network around it, of which whoever has
// many addresses has most. From this host, it is an account at an address.
type source struct{ near, far origin }

type origin struct {
	net netip.Prefix
	uid int64 // -1 if it is not known
}

// sourceOf gives the source of a connection, by its ends.
func sourceOf(peer, here net.Addr) source {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return source{origin{uid: -1}, origin{uid: -1}}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	near, far := 32, 24
	if ip.Is6() {
		near, far = 64, 48
	}
	s := source{near: origin{uid: -1}, far: origin{uid: -1}}
	s.near.net, _ = ip.Prefix(near) // of an address that is none: the zero value
	s.far.net, _ = ip.Prefix(far)
	to, ok := here.(*net.TCPAddr)
	if !ok || !ip.IsLoopback() && ip != to.AddrPort().Addr().Unmap().WithZone("") {
		return s
	}
	if uid, ok := uidOf(tcp.AddrPort(), to.AddrPort()); ok {
		s.near.uid, s.far.uid = int64(uid), int64(uid)
	}
	return s
}

// newcomers are the connections that have proved nobody, or those of somebody who has
// proved a key and is asked for more. Nobody is refused for
// their number, since most of them may be somebody's who wants just that: for one
// too many, the oldest goes, of those who have most; and last, a few of each address from where people have come, and
// root's of this host.
type newcomers struct {
	mu   sync.Mutex
	list []*newcomer // the oldest first
}

type newcomer struct {
	from  source
	known bool // people have come from there
	end   func()
}

// enter takes a connection in, which is told to end if it has to make room: so many may
// there be of a source, and in all. known tells that people have come from there.
func (n *newcomers) enter(from source, known bool, ofSource, inAll int, end func()) (leave func()) {
	c := &newcomer{from, known, end}
	n.mu.Lock()
	near := n.of(func(o *newcomer) bool { return o.from.near == from.near })
	var out *newcomer
	switch {
	case crowded(len(near), ofSource):
		out = near[0]
	case crowded(len(n.list), inAll):
		out = n.most()
	}
	n.remove(out)
	n.list = append(n.list, c)
	n.mu.Unlock()
	if out != nil {
		out.end()
	}
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.remove(c)
	}
}

// of gives those of which is is true; n.mu is held.
func (n *newcomers) of(is func(*newcomer) bool) (out []*newcomer) {
	for _, c := range n.list {
		if is(c) {
			out = append(out, c)
		}
	}
	return out
}

// keptOf is how many are kept of an address from where people have come.
const keptOf = perSource / 8

// most gives the oldest of the network from which most have come, of those that are not kept; n.mu is held.
func (n *newcomers) most() *newcomer {
	near, far := map[origin]int{}, map[origin]int{}
	for _, c := range n.list {
		near[c.from.near]++
		far[c.from.far]++
	}
	var out *newcomer
	for _, c := range n.list {
		kept := c.known && near[c.from.near] <= keptOf
		if !kept && (out == nil || far[c.from.far] > far[out.from.far]) {
			out = c
		}
	}
	if out == nil { // each is kept
		out = n.list[0]
	}
	return out
}

// remove takes one out, if it is in; n.mu is held.
func (n *newcomers) remove(c *newcomer) {
	if i := slices.Index(n.list, c); i >= 0 {
		n.list = slices.Delete(n.list, i, i+1)
	}
}
