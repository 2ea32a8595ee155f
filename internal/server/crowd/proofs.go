package crowd

import (
	"sync"
	"time"
)

// Proofs bounds how many proofs are under way, also of those who have made room meanwhile. The zero
// value has none.
type Proofs struct {
	mu  sync.Mutex
	all int
	via map[string]int
	who map[uint32]int
}

// Begin counts one more, until done is called, or until it has taken so long that it takes nobody's place
// any more. Who is not known has the places of most, and one door a quarter of those; for who is known there are as many
// again, of which one uid has a few: whoever has their proofs hang is somebody, too, more often than not. For who keeps
// theirs there is no bound.
func (p *Proofs) Begin(who uint32, via string, most int, as Standing, late time.Duration) (done func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case as >= Here:
	case as == Known && p.all < 2*most && p.who[who] < max(1, most/32):
	case p.all < most && (via == "" || p.via[via] < most/4):
	default:
		return nil, false
	}
	if p.via == nil {
		p.via, p.who = map[string]int{}, map[uint32]int{}
	}
	p.all++
	p.via[via]++
	p.who[who]++
	over := sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.via[via]--; p.via[via] == 0 {
			delete(p.via, via)
		}
		if p.who[who]--; p.who[who] == 0 {
			delete(p.who, who)
		}
	})
	timer := time.AfterFunc(late, over)
	return func() { timer.Stop(); over() }, true
}

// Len is how many there are.
func (p *Proofs) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}
