package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// realHelper is all that muxward-helper has behind its table: the hands that have root's rights,
// with two accounts to serve, their tmux servers, and a holder of keys, which is a process.
type realHelper struct {
	t     *testing.T
	set   *setting
	hands *keep.Keep
	keys  held
	log   floodLog

	mu           sync.Mutex
	id           string // of a server that runs, as it was told last
	servers      map[string]bool
	done, failed map[privsep.Number]int
}

func newRealHelper(t *testing.T) *realHelper {
	t.Helper()
	ward := tmuxtest.As(t, "mwward") // skips where we are not root
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	h := &realHelper{t: t, id: "0123abcd", servers: map[string]bool{}, done: map[privsep.Number]int{}, failed: map[privsep.Number]int{}, set: &setting{
		config: config.Config{File: dir + "/muxward.yaml", Policy: dir + "/policy", Doors: dir + "/d", State: dir + "/state", Accounts: []string{"mwalice", "mwbob"}},
		tmux:   tmuxtest.Program(t), muxward: "/bin/true"}}
	h.set.account.Name, h.set.account.UID, h.set.account.GID = ward.Name, ward.UID, ward.GID
	must(t, os.WriteFile(h.set.config.File, nil, 0o644))
	var err error
	if h.hands, err = keep.New(h.set.hands()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.end)
	if err = prepare(h.set); err != nil {
		t.Fatal(err)
	}
	client, process, err := startHolder(h.set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.kill)
	t.Cleanup(func() { _ = client.Close() })
	h.keys = held{client}
	k, err := h.keys.Public(t.Context())
	must(t, err)
	h.log.origin, _, _ = strings.Cut(k.Checkpoint, "+")
	_, err = h.keys.Sign(t.Context(), h.log.asked(t, "deed", floodSigned, 0))
	must(t, err)
	return h
}

// end is another life of the hands, which ends the servers that were left running. An answer that
// nobody heard may have been about any of them.
func (h *realHelper) end() {
	ctx := context.Background()
	must(h.t, h.hands.Close())
	hands, err := keep.New(h.set.hands())
	if err != nil {
		h.t.Fatal(err)
	}
	h.hands = hands
	ids, err := hands.Found(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, id := range ids {
		s, err := hands.Adopt(ctx, id)
		if err != nil {
			h.t.Error(err)
			continue
		}
		must(h.t, unix.Kill(s.PID, unix.SIGKILL))
		if !soon(func() bool { _, err = hands.Adopt(ctx, id); return errors.Is(err, keep.ErrEnded) }) {
			h.t.Errorf("the server of %s has not ended: %v", s.Owner, err)
		}
	}
	for _, name := range h.set.config.Accounts {
		var s keep.Held
		if !soon(func() bool { s, err = hands.Start(ctx, h.orderOf(name)); return err == nil }) {
			h.t.Errorf("a server of %s is not started: %v", name, err)
			continue
		}
		must(h.t, hands.Abandon(ctx, s.ID))
	}
	must(h.t, hands.Close())
}

func (h *realHelper) orderOf(name string) keep.Order {
	a := tmuxtest.As(h.t, name)
	return keep.Order{Owner: name, Account: keep.Account{Name: name, UID: a.UID}}
}

// bed is a monitor with all of it.
func (h *realHelper) bed() (*bed, func()) {
	return openBed(h.t, func(p *Parts) {
		p.Hands, p.Profiles, p.Keys, p.Ctl = h.hands, h.hands, h.keys, h.set.ctl
		p.Serving = func(ctx context.Context, addr string) error {
			return h.set.saveServing(ctx, os.Getpid(), h.keys, addr)
		}
		p.PAM = h.set.pam
	})
}

// sorts are requests that the hands take seriously, and such that they refuse.
func (h *realHelper) sorts() []sort {
	h.mu.Lock()
	id := h.id
	h.mu.Unlock()
	a, b := tmuxtest.As(h.t, "mwalice"), tmuxtest.As(h.t, "mwbob")
	of := func(a tmuxtest.Account) string { return fmt.Sprintf(`{"Name":%q,"UID":%d}`, a.Name, a.UID) }
	start := func(owner, account string) string {
		return fmt.Sprintf(`{"owner":%q,"account":%s,"environ":["QT1i"]}`, owner, account)
	}
	is := fmt.Sprintf(`{"id":%q}`, id)
	forged := func(what string, size, from int) string {
		body, _ := json.Marshal(h.log.asked(h.t, what, size, from)) // it is made of strings
		return string(body)
	}
	hash, _ := json.Marshal(privsep.Sign{Key: privsep.HostKey, Data: make([]byte, 32)}) // it is made of strings
	return []sort{
		{privsep.NumStart, 2, start("mwalice", of(a))}, {privsep.NumStart, 2, start("mwbob", of(b))}, {privsep.NumStart, 2000, start("mwalice", of(b))},
		{privsep.NumStart, 2000, start("root", `{"Name":"root","UID":0}`)}, {privsep.NumStart, 2000, start("../x", of(a))}, {privsep.NumStart, 2000, `{"owner":"alice","account":{"Name":"root","UID":0},"environ":["QT1i"]}`},
		{privsep.NumAbandon, 1, is}, {privsep.NumAbandon, 2000, `{"id":"0123abcd"}`}, {privsep.NumAdopt, 500, is}, {privsep.NumAdopt, 2000, `{"id":"../../x"}`},
		{privsep.NumConnect, 500, is}, {privsep.NumConnect, 2000, `{"id":"0123abcd"}`}, {privsep.NumMend, 200, is}, {privsep.NumMend, 2000, `{"id":"0123abcd"}`},
		{privsep.NumNote, 100, fmt.Sprintf(`{"id":%q,"said":{"Started":1,"Version":"3.4"}}`, id)}, {privsep.NumNote, 2000, `{"id":"x","said":{}}`},
		{privsep.NumOpenDoor, 20, fmt.Sprintf(`{"Server":%q}`, id)}, {privsep.NumOpenDoor, 20, `{"Account":` + of(a) + `}`},
		{privsep.NumOpenDoor, 2000, `{"Account":{"Name":"root","UID":0},"Server":""}`}, {privsep.NumOpenDoor, 2000, `{"Server":"../x"}`},
		{privsep.NumCloseDoor, 20, fmt.Sprintf(`{"Server":%q}`, id)}, {privsep.NumCloseDoor, 20, `{"Account":` + of(a) + `}`}, {privsep.NumCloseDoor, 2000, `{"Account":{"Name":"root","UID":0},"Server":""}`},
		{privsep.NumReach, 20, `{"account":` + of(a) + `}`}, {privsep.NumReach, 2000, `{"account":{"Name":"root","UID":0}}`},
		{privsep.NumTicket, 1000, fmt.Sprintf(`{"ID":%q,"Account":%s,"Pane":"%%1"}`, id, of(b))},
		{privsep.NumHalt, 50, fmt.Sprintf(`{"id":%q,"what":"stop"}`, id)}, {privsep.NumHalt, 100, fmt.Sprintf(`{"id":%q,"what":"go on"}`, id)}, {privsep.NumHalt, 2000, `{"id":"../x","what":"stop"}`},
		{privsep.NumAuthKeys, 50, `{"account":"mwalice"}`}, {privsep.NumAuthKeys, 2000, `{"account":"mwnobody"}`}, {privsep.NumAuthKeys, 50, `{"account":"root"}`},
		{privsep.NumForced, 500, fmt.Sprintf(`{"pid":%d}`, os.Getpid())}, {privsep.NumForced, 500, `{"pid":999999999}`}, {privsep.NumSSHD, 100, fmt.Sprintf(`{"pid":%d}`, os.Getpid())},
		{privsep.NumSign, 200, string(hash)}, {privsep.NumSign, 500, forged("innocence", floodSigned, 0)}, {privsep.NumSign, 500, forged("innocence", floodSigned+20, floodSigned)}, {privsep.NumSign, 200, forged("deed", floodSigned-1, 0)}, {privsep.NumSign, 200, forged("deed", floodSigned+20, floodSigned-1)}, {privsep.NumSign, 50, forged("deed", floodSigned, 0)}, {privsep.NumSigned, 50, `{}`},
		{privsep.NumCtl, 20, `{}`}, {privsep.NumProfiles, 20, `{}`}, {privsep.NumTake, 20, `{"number":1}`}, {privsep.NumNotify, 1000, `{"state":"READY=1"}`},
		{privsep.NumPAM, 2, `{"account":"root","from":"::1"}`}, {privsep.NumPAMEnd, 2, `{"id":7}`}, {privsep.NumServing, 5, `{"addr":""}`}, {privsep.NumFound, 5, `{}`},
	}
}

// sort is one that is sent often: so many of them for one of those with weight 1.
type sort struct {
	n      privsep.Number
	weight int
	body   string
}

// hostile is a daemon that keeps to what may be under way at once, until it does something else.
type hostile struct {
	h *realHelper
	b *bed

	mu     sync.Mutex
	change *sync.Cond
	asked  map[uint32]privsep.Number
	busy   map[privsep.Number]int
	over   bool
}

// hear takes the answers until the line is closed.
func (d *hostile) hear() {
	for buf := make([]byte, privsep.MaxPacket); ; {
		p, files, err := d.b.line.ReceiveFiles(buf)
		passed.Close(files)
		d.mu.Lock()
		if err != nil {
			d.over = true
			d.change.Broadcast()
			d.mu.Unlock()
			return
		}
		if n, ok := d.asked[p.ID]; ok {
			delete(d.asked, p.ID)
			d.busy[n]--
			d.h.answered(n, p)
		}
		d.change.Broadcast()
		d.mu.Unlock()
	}
}

// await waits until something is so, or the line is closed.
func (d *hostile) await(so func() bool) (open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for !d.over && !so() {
		d.change.Wait()
	}
	return !d.over
}

// answers waits until everything asked is answered, or the line is closed.
func (d *hostile) answers() (open bool) {
	return d.await(func() bool { return len(d.asked) == 0 })
}

// ask sends a request in its turn.
func (d *hostile) ask(n privsep.Number, id uint32, body string) (open bool) {
	most := privsep.AtOnce()[n]
	if !d.await(func() bool { return d.busy[n] < most }) {
		return false
	}
	d.mu.Lock()
	d.asked[id] = n
	d.busy[n]++
	d.mu.Unlock()
	return d.b.line.Send(raw(n, id, body)) == nil
}

// mischief sends what is no request, or none now.
func (d *hostile) mischief(r *rand.Rand, n privsep.Number, id uint32, body string) {
	p := raw(n, id, body)
	switch r.IntN(5) {
	case 0:
		p = raw(privsep.Number(r.IntN(256)), id, body)
	case 1:
		p = p[:1+r.IntN(len(p)-1)]
	case 2:
		p[r.IntN(len(p))] = byte(r.IntN(256))
	case 3:
		p = raw(n, id-1, body) // which may be another's
	case 4:
		for range privsep.AtOnce()[n] + 1 {
			_ = d.b.line.Send(p) // it may have ended
		}
	}
	_ = d.b.line.Send(p) // it may have ended
}

// answered counts the answers, and takes note of servers that run.
func (h *realHelper) answered(n privsep.Number, p privsep.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Number == privsep.NumFailed {
		h.failed[n]++
		return
	}
	h.done[n]++
	var s keep.Held
	if (n == privsep.NumStart || n == privsep.NumAdopt) && json.Unmarshal(p.Body, &s) == nil {
		h.id, h.servers[s.ID] = s.ID, true
	}
}

// come has such a daemon say its hello, and be done with when leave is called.
func (h *realHelper) come() (d *hostile, open bool, leave func()) {
	b, end := h.bed()
	d = &hostile{h: h, b: b, asked: map[uint32]privsep.Number{}, busy: map[privsep.Number]int{}}
	d.change = sync.NewCond(&d.mu)
	heard := make(chan struct{})
	go func() { defer close(heard); d.hear() }()
	hello, _ := json.Marshal(privsep.Hello{Version: privsep.Version}) // it is made of strings
	open = d.ask(privsep.NumHello, 1, string(hello)) && d.answers()
	return d, open, func() {
		d.b.line.Close()
		<-heard
		_ = d.b.ended() // whatever it is
		end()
	}
}

// start has one ask for a server, and take the answer: of those that flood, few wait for it.
func (h *realHelper) start() {
	h.t.Helper()
	d, open, leave := h.come()
	defer leave()
	order, _ := json.Marshal(h.orderOf("mwalice")) // it is made of strings
	if !open || !d.ask(privsep.NumStart, 2, string(order)) || !d.answers() {
		h.t.Fatal("no server is started: the line is closed")
	}
}

// visit is one such daemon from its beginning to its end, with so many messages at most.
func (h *realHelper) visit(r *rand.Rand, most int) (sent int) {
	d, open, leave := h.come()
	defer leave()
	sorts, sum := h.sorts(), 0
	for _, s := range sorts {
		sum += s.weight
	}
	for id := uint32(2); open && sent < most; id++ {
		at, v := r.IntN(sum), sort{}
		for _, v = range sorts {
			if at -= v.weight; at < 0 {
				break
			}
		}
		if sent++; r.IntN(1000) == 0 {
			d.mischief(r, v.n, id, v.body)
		} else {
			open = d.ask(v.n, id, v.body)
		}
	}
	if r.IntN(2) == 0 { // or it goes with all of it under way
		d.answers()
	}
	return sent
}

func (h *realHelper) flood(messages int) {
	h.t.Helper()
	r, began, visits, sent := rand.New(rand.NewPCG(1, 2)), time.Now(), 0, 0
	for ; sent < messages; visits++ {
		before := sent
		sent += h.visit(r, min(messages-sent, 1+r.IntN(4000)))
		if sent/1_000_000 > before/1_000_000 {
			h.t.Logf("%d messages after %v", sent, time.Since(began).Round(time.Second))
		}
	}
	h.t.Logf("%d monitors were sent %d messages in %v", visits, sent, time.Since(began).Round(time.Second))
}

// TestFloodHands has a hostile daemon ask, as often as that is permitted and more, a helper that has everything
// behind its table: most of it is read and done, or refused by what is behind. After each end another
// monitor begins. At the end there are no more descriptors than before, a server can be started
// for each account, the holder signs, and of the log nothing was signed but what it was: neither another
// one of that name, with as many records or more, nor fewer of it, nor more without the right proof.
func TestFloodHands(t *testing.T) {
	h := newRealHelper(t)
	file := h.set.config.State + "-keys/" + holder.LastFile
	last, err := os.ReadFile(file)
	if must(t, err); len(last) == 0 {
		t.Fatal("nothing is signed to begin with")
	}
	h.start()
	h.flood(2000) // what is opened once, and stays, is open
	before := descriptors(t)
	h.flood(soak.N(10_000_000, 100_000))
	tmuxtest.Eventually(t, func() bool { return descriptors(t) <= before+32 }, "the descriptors are those of before, %d: %d", before, descriptors(t))
	if _, err := h.keys.Sign(context.Background(), privsep.Sign{Key: privsep.HostKey, Data: make([]byte, 32)}); err != nil {
		t.Error(err)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) != string(last) {
		t.Errorf("of the log %q was signed last, and now %q, %v", last, now, err)
	}
	if _, err := h.keys.Sign(context.Background(), h.log.asked(t, "deed", floodSigned+20, floodSigned)); err != nil {
		t.Errorf("the log as it was is not signed any more: %v", err)
	}
	if now, err := os.ReadFile(file); err != nil || string(now) == string(last) {
		t.Errorf("what was signed last is not written down: %q, %v", now, err)
	}
	for _, n := range []privsep.Number{privsep.NumStart, privsep.NumConnect, privsep.NumSign, privsep.NumForced, privsep.NumReach, privsep.NumOpenDoor} {
		if h.done[n] == 0 {
			t.Errorf("no request %d was done", n)
		}
	}
	var use unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &use))
	runtime.GC()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	t.Logf("done, by their numbers: %v; failed: %v; %d servers were started; most memory: %d MiB, on the heap %d KiB", h.done, h.failed, len(h.servers), use.Maxrss>>10, heap.HeapAlloc>>10)
}

// floodSigned is how many records of the log are signed when the flood begins.
const floodSigned = 100

// floodLog makes checkpoints of logs that have the name of the one whose key is held.
type floodLog struct{ origin string }

// stored are the hashes of a log's tree.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) (out []tlog.Hash, _ error) {
	for _, i := range indexes {
		out = append(out, s[i])
	}
	return out, nil
}

// asked is a request for a checkpoint of so many records, with the proof that it goes on from fewer of them.
func (l floodLog) asked(t *testing.T, what string, size, from int) privsep.Sign {
	t.Helper()
	var tree stored
	for i := range size {
		more, err := tlog.StoredHashes(int64(i), fmt.Append(nil, what, i), tree)
		must(t, err)
		tree = append(tree, more...)
	}
	root, err := tlog.TreeHash(int64(size), tree)
	must(t, err)
	s := privsep.Sign{Key: privsep.CheckpointKey, Data: fmt.Appendf(nil, "%s\n%d\n%s\nformat 2\n", l.origin, size, root)}
	if from > 0 {
		proof, err := tlog.ProveTree(int64(size), int64(from), tree)
		must(t, err)
		for _, p := range proof {
			s.Proof = append(s.Proof, p[:])
		}
	}
	return s
}

// soon waits for something.
func soon(so func() bool) bool {
	for range 100 {
		if so() {
			return true
		}
		time.Sleep(tmuxtest.Patience / 100)
	}
	return false
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}
