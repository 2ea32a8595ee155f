package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// lentUID is the uid of the account that is lent in these tests: this process says that
// it has it.
const lentUID = 23499

// ticketBed is a Tickets with one key, of carol's, and this process at its doors, of the
// account work, which is lent.
type ticketBed struct {
	*Tickets
	t      *testing.T
	now    time.Time
	keys   *SSHKeys
	key    ssh.PublicKey
	owner  string // whose the account is
	self   Identity
	conn   process
	forced func(context.Context, int, uint32) (bool, error)
}

func newTicketBed(t *testing.T) *ticketBed {
	t.Helper()
	b := &ticketBed{t: t, now: time.Unix(1e9, 0), key: newPublicKey(t)}
	b.list("carol", "", nil)
	b.Tickets = b.began()
	b.self = b.connect()
	var err error
	if b.conn, err = processOf(b.self.p.peer); err != nil {
		t.Fatal(err)
	}
	return b
}

// began is a muxward that has begun.
func (b *ticketBed) began() *Tickets {
	ts := &Tickets{Keys: func() *SSHKeys { return b.keys }, Now: func() time.Time { return b.now },
		Accounts: map[string]uint32{"work": lentUID}, Owner: func(uint32, string) string { return b.owner }}
	b.t.Cleanup(func() { // lets go of all
		ts.mu.Lock()
		defer ts.mu.Unlock()
		for _, l := range ts.logins {
			ts.forget(l)
		}
		for _, a := range ts.came {
			ts.left(a)
		}
	})
	return ts
}

func newPublicKey(t *testing.T) ssh.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// entry is the key as somebody's, as a list has it.
func (b *ticketBed) entry(who, options string) *SSHKey {
	b.t.Helper()
	k, err := ParseSSHKey(options+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.key))), who, "here")
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// list puts the key in force as somebody's.
func (b *ticketBed) list(who, options string, revoked *SSHRevoked) {
	b.t.Helper()
	b.keys, _ = NewSSHKeys([]*SSHKey{b.entry(who, options)}, nil, revoked, func(string) bool { return true })
}

// connect is this process at a door, as a process of the account that is lent.
func (b *ticketBed) connect() Identity { return b.connectAs(lentUID, "work") }

func (b *ticketBed) connectAs(uid uint32, account string) Identity {
	b.t.Helper()
	l := listen(b.t)
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	s, err := l.AcceptUnix()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	return b.at(s, uid, account)
}

// at proves who is at the other end, that says they are of an account.
func (b *ticketBed) at(s *net.UnixConn, uid uint32, account string) Identity {
	b.t.Helper()
	peer, err := newPeer(s, kernel{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = peer.Close() })
	peer.uid = uid
	acc := newAccounts(func(uint32) (Account, error) { return Account{Name: account, UID: uid}, nil }, func() string { return "" })
	opts := []Option{WithTickets(b.Tickets), WithAccounts(acc)}
	if b.forced != nil {
		opts = append(opts, WithForced(b.forced))
	}
	who, err := NewProver(everybody{}, opts...).at(b.t.Context(), peer, "tmux", false)
	if err != nil {
		b.t.Fatal(err)
	}
	return who
}

// ask is what sshd is told about the key, asked for by a connection's process.
func (b *ticketBed) ask(conn process) (TicketLine, error) {
	k, err := b.worth(b.key)
	if err != nil {
		return TicketLine{}, err
	}
	return b.issue(conn, Account{Name: "work", UID: lentUID}, k)
}

func (b *ticketBed) ticket() string {
	b.t.Helper()
	line, err := b.ask(b.conn)
	if err != nil {
		b.t.Fatal(err)
	}
	return line.Ticket
}

// comeIn has this process come in with a ticket.
func (b *ticketBed) comeIn() Identity {
	b.t.Helper()
	who, _, err := b.Redeem(b.self, b.ticket())
	if err == nil {
		err = b.Arrive(who)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return who
}

// gone reports whether a connection was ended.
func gone(who Identity) bool {
	select {
	case <-who.p.peer.Gone():
		return true
	default:
		return false
	}
}

// another is another process, which has connected, and its end.
func (b *ticketBed) another() (*net.UnixConn, func()) {
	b.t.Helper()
	l := listen(b.t)
	p := start(b.t, l, exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String()))
	return p.conn, p.end
}

// TestTicketTaken: who brings a ticket is the key's person from then on, at every door,
// until the key is not taken any more. Before that the account is nobody.
func TestTicketTaken(t *testing.T) {
	b := newTicketBed(t)
	if !b.self.IsNobody() || b.self.Why() == nil || b.self.Account() != "work" || b.self.Subject().Person != "" {
		t.Fatalf("before: %+v, %v", b.self.Subject(), b.self.Why())
	}
	text := b.ticket()
	b.now = b.now.Add(ticketLife - time.Second)
	who, _, err := b.Redeem(b.self, text)
	if err != nil || who.Person() != "carol" || who.Door() != DoorSSHD || !who.OnlyStreams() {
		t.Fatalf("%+v, %v", who.Subject(), err)
	}
	if at := b.connect(); !at.IsNobody() {
		t.Fatalf("before it was written that they are let in: %+v", at.Subject())
	}
	if err := b.Arrive(who); err != nil {
		t.Fatal(err)
	}
	if _, ok := who.UID(); ok || who.Account() != "work" || !strings.HasPrefix(who.Key(), "SHA256:") {
		t.Errorf("%+v %q", who.Subject(), who.Key())
	}
	if s := who.Subject(); s.Account != "" || s.UID != -1 {
		t.Errorf("decisions rest on the account that is lent: %+v", s)
	}
	at := b.connect()
	if at.Person() != "carol" || at.Door() != DoorSSHD || at.Subject().Account != "" {
		t.Fatalf("at the next door: %+v", at.Subject())
	}
	if other, _ := b.another(); !b.at(other, lentUID, "work").IsNobody() {
		t.Error("another process is carol, too")
	}
	if b.reconsider(); gone(at) {
		t.Fatal("it was ended while the key stands")
	}
	b.list("bob", "", nil)
	if b.reconsider(); !gone(at) || at.p.peer.Alive() || !strings.Contains(at.p.peer.Cause().Error(), "somebody else's") {
		t.Errorf("carol is still here: alive %v, cause %v", at.p.peer.Alive(), at.p.peer.Cause())
	}
	if after := b.connect(); !after.IsNobody() || !strings.Contains(after.Why().Error(), "not taken any more") {
		t.Errorf("afterwards: %+v, %v", after.Subject(), after.Why())
	}
}

// TestTicketRefused: each thing that may be wrong with a ticket, alone.
func TestTicketRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		make func(b *ticketBed) string
	}{
		{"late", "older than a minute", func(b *ticketBed) string {
			text := b.ticket()
			b.now = b.now.Add(ticketLife)
			return text
		}},
		{"long ago", "no ticket that is out", func(b *ticketBed) string {
			text := b.ticket()
			b.now = b.now.Add(2*ticketLife + time.Second)
			b.reconsider() // which looks what is over
			return text
		}},
		{"twice", "taken already", func(b *ticketBed) string {
			text := b.ticket()
			if _, _, err := b.Redeem(b.self, text); err != nil {
				b.t.Fatal(err)
			}
			return text
		}},
		{"the one before", "no ticket that is out", func(b *ticketBed) string {
			text := b.ticket()
			b.ticket()
			return text
		}},
		{"another connection's", "another connection", func(b *ticketBed) string {
			other, _ := b.another()
			conn, err := processOf(b.at(other, lentUID, "work").p.peer)
			if err != nil {
				b.t.Fatal(err)
			}
			line, err := b.ask(conn)
			if err != nil {
				b.t.Fatal(err)
			}
			return line.Ticket
		}},
		{"another account's", "another account", func(b *ticketBed) string {
			b.Accounts = map[string]uint32{"work": lentUID, "play": lentUID}
			text := b.ticket()
			b.self = b.connectAs(lentUID, "play")
			return text
		}},
		{"another uid's", "another account", func(b *ticketBed) string {
			text := b.ticket()
			b.Accounts = map[string]uint32{"work": lentUID + 1}
			b.self = b.connectAs(lentUID+1, "work")
			return text
		}},
		{"an account's that is not named", "not among", func(b *ticketBed) string {
			text := b.ticket()
			b.Accounts = map[string]uint32{"play": lentUID}
			return text
		}},
		{"an account's that is somebody's own", "alice's own", func(b *ticketBed) string {
			text := b.ticket()
			b.owner = "alice"
			return text
		}},
		{"root's", "root", func(b *ticketBed) string {
			text := b.ticket()
			b.self = b.connectAs(0, "work")
			return text
		}},
		{"revoked", "revoked", func(b *ticketBed) string {
			text := b.ticket()
			revoked, err := ParseSSHRevoked(ssh.MarshalAuthorizedKey(b.key), "here")
			if err != nil {
				b.t.Fatal(err)
			}
			b.list("carol", "", revoked)
			return text
		}},
		{"taken away", "nobody's", func(b *ticketBed) string {
			text := b.ticket()
			b.keys = &SSHKeys{}
			return text
		}},
		{"from elsewhere", "where the key may come from", func(b *ticketBed) string {
			text := b.ticket()
			b.list("carol", `from="10.0.0.1" `, nil)
			return text
		}},
		{"of another life", "no ticket that is out", func(b *ticketBed) string { return newTicketBed(b.t).ticket() }},
		{"nothing", "no ticket that is out", func(*ticketBed) string { return "" }},
		{"longer", "no ticket that is out", func(b *ticketBed) string { return b.ticket() + "A" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTicketBed(t)
			who, _, err := b.Redeem(b.self, c.make(b))
			if err == nil || !strings.Contains(err.Error(), c.want) || !who.IsNobody() {
				t.Errorf("%v, want %q; they are %q", err, c.want, who.Person())
			}
			if at := b.connect(); !at.IsNobody() {
				t.Errorf("afterwards they are %q", at.Person())
			}
		})
	}
}

// TestTicketChanged: no byte of a ticket may be another, and trying spoils nothing.
func TestTicketChanged(t *testing.T) {
	b := newTicketBed(t)
	text := b.ticket()
	for i := range len(text) {
		for _, with := range []byte("AZaz09-_") {
			if changed := text[:i] + string(with) + text[i+1:]; changed != text {
				if _, _, err := b.Redeem(b.self, changed); err == nil {
					t.Fatalf("taken with byte %d changed", i)
				}
			}
		}
	}
	if _, _, err := b.Redeem(b.self, text); err != nil {
		t.Errorf("trying has spoiled it: %v", err)
	}
}

// TestTicketIssued: who is given a ticket, and for what.
func TestTicketIssued(t *testing.T) {
	b := newTicketBed(t)
	work := Account{Name: "work", UID: lentUID}
	give := func(account Account, want string) {
		t.Helper()
		if line, err := b.Issue(b.self, account, b.key); err == nil || !strings.Contains(err.Error(), want) || line.Ticket != "" {
			t.Errorf("%+v: %q, want %q", account, err, want)
		}
	}
	give(work, "may not ask")
	b.Asker = "asker"
	give(work, "may not ask")
	b.self = b.connectAs(lentUID+1, "asker")
	if !b.self.IsNobody() {
		t.Errorf("the account that sshd asks as is %q", b.self.Person())
	}
	give(work, "no ticket: ") // nobody's child of an sshd
	give(Account{Name: "bob", UID: 23451}, "not among")
	give(Account{Name: "root"}, "root")
	give(Account{Name: "work", UID: 7}, "restart muxward")
	b.owner = "alice"
	give(work, "alice's own")
	b.owner = ""
	b.list("carol", `from="10.0.0.*" `, nil)
	give(work, "star or question mark")
	b.keys = &SSHKeys{}
	give(work, ErrNoKey.Error())
}

// TestTicketOneLogin: a connection gives one session, and another ticket for it takes the
// place of the one before. When it ends, all that came by it does.
func TestTicketOneLogin(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	if _, err := b.ask(b.conn); err == nil || !strings.Contains(err.Error(), "let somebody in already") {
		t.Errorf("it is given another ticket: %v", err)
	}
	if err := b.Arrive(b.connect()); err == nil {
		t.Error("a process comes in twice")
	}

	b = newTicketBed(t) // by a connection that is another process
	other, end := b.another()
	conn, err := processOf(b.at(other, lentUID, "work").p.peer)
	if err != nil {
		t.Fatal(err)
	}
	line, err := b.ask(conn)
	if err != nil {
		t.Fatal(err)
	}
	tk := b.find(line.Ticket)
	if err := b.take(tk); err != nil {
		t.Fatal(err)
	}
	if err := b.Arrive(Identity{tk.proof(b.self.p)}); err != nil {
		t.Fatal(err)
	}
	at := b.connect()
	if at.Person() != "carol" || gone(at) {
		t.Fatalf("%+v", at.Subject())
	}
	end()
	tmuxtest.Eventually(t, func() bool { return gone(at) }, "what came by the connection ends with it")
	if !strings.Contains(at.p.peer.Cause().Error(), "connection that you came by has ended") {
		t.Errorf("cause %v", at.p.peer.Cause())
	}
	if after := b.connect(); !after.IsNobody() {
		t.Errorf("afterwards they are %q", after.Person())
	}
	if err := b.Arrive(Identity{tk.proof(b.self.p)}); !errors.Is(err, errConnEnded) {
		t.Errorf("somebody comes in by a connection that has ended: %v", err)
	}
}

// TestTicketsAfterRestart: of a muxward that began anew nobody is who they were, neither
// those with a ticket nor those who came by a forced command alone.
func TestTicketsAfterRestart(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	b.Tickets = b.began()
	if at := b.connect(); !at.IsNobody() || !strings.Contains(at.Why().Error(), "log in again") {
		t.Errorf("%q: %v", at.Person(), at.Why())
	}
	bob := b.connectAs(23451, "bob")
	if bob.Person() != "anybody" || bob.OnlyStreams() {
		t.Fatalf("%+v", bob.Subject())
	}
	if err := b.Arrive(bob); err != nil {
		t.Fatal(err)
	}
	if bob = b.connectAs(23451, "bob"); bob.Person() != "anybody" || !bob.OnlyStreams() {
		t.Fatalf("%+v", bob.Subject())
	}
	b.Tickets = b.began()
	l := listen(t)
	cmd := exec.Command("/proc/self/exe", childMark+"connect", l.Addr().String())
	cmd.Env = []string{ForcedMark + "=1"} // as muxward attach has it
	p := start(t, l, cmd)
	if at := b.at(p.conn, 23451, "bob"); !at.IsNobody() || !strings.Contains(at.Why().Error(), "log in again") {
		t.Errorf("%q: %v", at.Person(), at.Why())
	}
}

// TestTicketsWithoutDescriptors: while there are no descriptors nothing can be looked up,
// and nobody who came is forgotten: those whose key is not taken any more are found.
func TestTicketsWithoutDescriptors(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	at := b.connect()
	for _, few := range []uint64{0, 3} {
		without(t, few, func() {
			if f, err := os.Open("/proc/self/stat"); err == nil {
				_ = f.Close()
				t.Error("there are descriptors")
			}
			b.reconsider()
		})
	}
	if again := b.connect(); again.Person() != "carol" {
		t.Fatalf("they were forgotten: %+v", again.Subject())
	}
	b.keys = &SSHKeys{}
	without(t, 0, func() { b.reconsider() })
	if !gone(at) {
		t.Error("the key is nobody's, and carol is still here")
	}
}

// without does something while no file can be opened.
func without(t *testing.T, few uint64, do func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}()
	do()
}

// TestTicketExpires: a key that expires ends what rested on it; one that is listed once
// more, without an end, does not.
func TestTicketExpires(t *testing.T) {
	b := newTicketBed(t)
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b.now = end.Add(-time.Hour)
	ends := b.entry("carol", `expiry-time="20300101Z" `)
	b.keys, _ = NewSSHKeys([]*SSHKey{ends, b.entry("carol", "")}, nil, nil, func(string) bool { return true })
	b.comeIn()
	at := b.connect()
	b.now = end
	if b.reconsider(); gone(at) {
		t.Fatalf("ended while the key stands: %v", at.p.peer.Cause())
	}
	b.keys, _ = NewSSHKeys([]*SSHKey{ends}, nil, nil, func(string) bool { return true })
	if b.reconsider(); !gone(at) || !strings.Contains(at.p.peer.Cause().Error(), "expired") || strings.Contains(at.p.peer.Cause().Error(), "here") {
		t.Errorf("gone %v: %v", gone(at), at.p.peer.Cause())
	}
}

// TestTicketAccountIsSomebodys: an account that becomes a person's has their programs run
// in it, so nobody who came by it stays who they are, and nobody is let in. It is not the
// person's either: who knows what else runs there.
func TestTicketAccountIsSomebodys(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	at := b.connect()
	b.owner = "alice"
	next := b.connect()
	if !next.IsNobody() || !strings.Contains(next.Why().Error(), "alice's own") {
		t.Errorf("they are %q: %v", next.Person(), next.Why())
	}
	if gone(at) {
		t.Fatal("it has ended already")
	}
	if b.reconsider(); !gone(at) || !strings.Contains(at.p.peer.Cause().Error(), "alice's own") {
		t.Errorf("gone %v: %v", gone(at), at.p.peer.Cause())
	}
}

// TestTicketOfOwnFile: everybody who comes by a ticket logs in as the same name. Who lists
// carol's public key in their own authorized_keys does not have her come as them; and a key
// that is left in such a file alone is one that is not taken any more.
func TestTicketOfOwnFile(t *testing.T) {
	b := newTicketBed(t)
	own := mustOwn(t, "alice", string(ssh.MarshalAuthorizedKey(b.key)))
	everybody := func(string) bool { return true }
	listed := b.keys
	b.keys, _ = NewSSHKeys(own, nil, nil, everybody)
	if line, err := b.ask(b.conn); err == nil || line.Ticket != "" || !strings.Contains(err.Error(), "own authorized_keys") {
		t.Errorf("there is a ticket of %q: %v", line.Person, err)
	}
	b.keys = listed
	b.comeIn()
	at := b.connect()
	b.keys, _ = NewSSHKeys(mustOwn(t, "carol", string(ssh.MarshalAuthorizedKey(b.key))), nil, nil, everybody)
	if b.reconsider(); !gone(at) {
		t.Error("carol's key is listed by herself alone, and she is still here")
	}
}

// TestReconsiderWaits: it is over when whoever serves the connection has let go of it.
// One that nobody lets go of is told of once, and keeps nothing from going on.
func TestReconsiderWaits(t *testing.T) {
	b := newTicketBed(t)
	b.comeIn()
	at, stays := b.connect(), b.connect()
	b.keys = &SSHKeys{}
	over, cancel := context.WithCancel(t.Context())
	go func() {
		<-at.p.peer.Gone()
		<-stays.p.peer.Gone()
		_ = at.p.peer.Close() // it is waited for
		cancel()
	}()
	if open := b.Reconsider(over); len(open) != 1 || !gone(at) || !gone(stays) {
		t.Errorf("of who is still served it is told: %v", open)
	}
	if open := b.Reconsider(over); len(open) != 0 {
		t.Errorf("it is told again: %v", open)
	}
}

// TestTicketBounds: nobody takes the places of others, by tickets that are out or by
// connections; those that have ended take none.
func TestTicketBounds(t *testing.T) {
	b := newTicketBed(t)
	b.ticket()
	b.mu.Lock()
	first := b.logins[b.conn]
	fill := func(n int, taken bool, person string) {
		for range n { // of processes that were never there
			p := process{-len(b.logins), 0}
			tk := *first.ticket
			tk.person = person
			b.logins[p] = &login{conn: first.conn, ticket: &tk, taken: taken}
		}
	}
	fill(perPersonOut, false, "mallory")
	_, err := b.open(&heldProcess{process{1 << 30, 0}, nil}, "mallory")
	if err == nil {
		t.Error("mallory has any number of tickets")
	}
	fill(perPerson, true, "carol")
	b.mu.Unlock()
	if _, _, err := b.Redeem(b.self, b.write(first.ticket)); err == nil || !strings.Contains(err.Error(), "end some") {
		t.Errorf("carol comes by any number of connections: %v", err)
	}
	b.mu.Lock()
	fill(maxLogins, true, "others")
	if _, err := b.open(&heldProcess{process{1 << 30, 0}, nil}, "bob"); err == nil {
		t.Error("there is no end of connections")
	}
	for p, l := range b.logins { // let go of nothing twice
		if l != first {
			delete(b.logins, p)
		}
	}
	b.mu.Unlock()
	for range perAccount { // by forced commands
		b.came = put(b.came, &arrival{self: first.conn, uid: 23451})
	}
	if err := b.Arrive(b.connectAs(23451, "bob")); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("by a forced command: %v", err)
	}
	clear(b.came)
	if err := b.Arrive(b.connectAs(23451, "bob")); err != nil {
		t.Error(err)
	}
}

// put adds an arrival under a number that no process has.
func put(came map[int]*arrival, a *arrival) map[int]*arrival {
	if came == nil {
		came = map[int]*arrival{}
	}
	came[-1-len(came)] = a
	return came
}

// TestIsSSHD: tickets are for the process of one connection of an sshd that root runs.
func TestIsSSHD(t *testing.T) {
	needRoot(t)
	prog := program(t, 0, 0, 0o755)
	for _, c := range []struct {
		name, what string
		uid        uint32
		want       string // "" if it is taken
	}{
		{"sshd", "parent", 0, ""},
		{"sshd-session", "parent", 0, ""},
		{"sshd", "parent-listens", 0, "waits for connections"},
		{"sshd", "parent", 23451, "not root's"},
		{"notsshd", "parent", 0, "not by sshd"},
	} {
		l := listen(t)
		path := filepath.Join(filepath.Dir(prog), c.name) // the program that is run has this name
		if err := os.Link(prog, path); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		p := start(t, l, as(c.uid, c.uid, nil, path, childMark+c.what, l.Addr().String()))
		peer, err := newPeer(p.conn, kernel{})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := sshdAbove(peer, procfs.SSHD)
		switch {
		case c.want == "" && (err != nil || conn.pid != p.cmd.Process.Pid):
			t.Errorf("%+v: %v, %v", c, conn, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: %v", c, err)
		}
		_ = peer.Close()
		p.end()
	}
}

// Of whom it cannot be told whether a forced command has started them is nobody, but for
// freezing what is their account's. Who says so is nobody for that as well, and whose account
// is lent.
func TestDoubt(t *testing.T) {
	hangs := errors.New("the helper hangs")
	for _, c := range []struct {
		name, account string
		uid           uint32
		forced        bool
		err           error
		person, may   string
	}{
		{"told", "alice", 4242, false, nil, "anybody", "anybody"},
		{"forced", "alice", 4242, true, nil, "", ""},
		{"not told", "alice", 4242, false, hangs, "", "anybody"},
		{"lent, and not told", "work", lentUID, false, hangs, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTicketBed(t)
			b.forced = func(context.Context, int, uint32) (bool, error) { return c.forced, c.err }
			who := b.connectAs(c.uid, c.account)
			if who.Person() != c.person || who.Freezing().Person() != c.may {
				t.Errorf("they are %q, and %q to freeze; want %q and %q", who.Person(), who.Freezing().Person(), c.person, c.may)
			}
			if c.err != nil && c.may != "" && !errors.Is(who.Why(), hangs) {
				t.Errorf("they are told %v", who.Why())
			}
		})
	}
	t.Run("freezing", func(t *testing.T) { // it waits less
		left := make(chan bool, 2)
		p := NewProver(everybody{}, WithTickets(&Tickets{}), WithForced(func(ctx context.Context, _ int, _ uint32) (bool, error) {
			_, bound := ctx.Deadline()
			left <- bound
			return false, nil
		}))
		for _, freezing := range []bool{true, false} {
			if _, err := p.toldForced(context.Background(), &Peer{}, freezing); err != nil || <-left != freezing {
				t.Errorf("freezing %t: %v", freezing, err)
			}
		}
	})
	if !(Identity{}).Freezing().IsNobody() {
		t.Error("nobody is somebody")
	}
}
