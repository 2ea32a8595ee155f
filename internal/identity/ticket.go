package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// An sshd of the host asks `muxward keys` whose a key is, and puts what that printed
// into the command of whoever then proves to hold the key. What is printed has a ticket:
// it says who the key's person is, to a process of that very connection. sshd asks from
// the connection's own root process, of which all that the connection runs descends:
// that process is what a ticket is for. That the key was proved is sshd's word, and
// that it hands a ticket to nobody else.

// DoorSSHD is the door of those who come by an sshd of the host, with a ticket.
const DoorSSHD = "sshd"

const (
	ticketLife = 60 * time.Second
	// maxTickets bounds those that are out, and those who came with one; perAccount
	// those who came to one account.
	maxTickets = 4096
	perAccount = 512
)

// Tickets makes tickets for keys, and takes them. They are in memory alone: another
// Tickets takes none of them.
type Tickets struct {
	// Keys gives the keys that are in force now, Now is the clock.
	Keys func() *SSHKeys
	Now  func() time.Time
	// Asker is the account that sshd asks as; with "" nobody is given a ticket.
	Asker string

	mu     sync.Mutex
	secret [sha256.Size]byte // zero until the first ticket
	out    map[ticketID]*ticket
	came   map[process]*arrival
}

type ticketID [16]byte

// ticket is one that is out, or was taken.
type ticket struct {
	id      ticketID
	uid     uint32 // of the account that is logged in to
	conn    process
	key     ssh.PublicKey
	person  string
	from    string
	expires time.Time
	used    bool
}

// arrival is a process that sshd has started, for somebody who came by a forced command.
type arrival struct {
	uid    uint32
	ticket *ticket // nil if they are the account that it runs as
	peers  map[*Peer]bool
}

// TicketLine is what sshd is told of a key.
type TicketLine struct {
	Person string `json:"person"`
	Ticket string `json:"ticket"`
	// From is the key's from= option, which sshd has to check.
	From string `json:"from,omitempty"`
	// PTY says that the key may be used on a terminal.
	PTY bool `json:"pty"`
}

// ErrNoKey is the error for a key that is nobody's here: sshd may know it all the same.
var ErrNoKey = errors.New("the key is nobody's here")

// Issue gives a ticket for a key, to be taken by a process of an account. Whoever asks
// has to be a child of the connection that is asked for.
func (t *Tickets) Issue(by Identity, uid uint32, key ssh.PublicKey) (TicketLine, error) {
	conn, err := t.asker(by)
	if err != nil {
		return TicketLine{}, err
	}
	return t.issue(conn, uid, key)
}

func (t *Tickets) issue(conn process, uid uint32, key ssh.PublicKey) (TicketLine, error) {
	k, err := t.Keys().plain(key, t.Now())
	if err != nil {
		return TicketLine{}, err
	}
	tk := &ticket{uid: uid, conn: conn, key: k.key, person: k.person, from: k.limits.fromText, expires: t.Now().Add(ticketLife)}
	_, _ = rand.Read(tk.id[:]) // never fails (crypto/rand)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	if len(t.out) >= maxTickets {
		return TicketLine{}, fmt.Errorf("%d tickets are out already; try again in a minute", maxTickets)
	}
	if t.out == nil {
		t.out = map[ticketID]*ticket{}
		_, _ = rand.Read(t.secret[:])
	}
	t.out[tk.id] = tk
	return TicketLine{Person: tk.person, Ticket: t.write(tk), From: tk.from, PTY: !k.limits.noPTY}, nil
}

// asker gives the connection that asks. Anybody can call `muxward keys`: what counts
// is who started it, and only sshd starts something as that account.
func (t *Tickets) asker(by Identity) (process, error) {
	switch {
	case by.p == nil || by.p.peer == nil:
		return process{}, errors.New("whoever asks for a ticket must be a process of this host")
	case t.Asker == "" || by.p.account != t.Asker:
		return process{}, fmt.Errorf("the account %q may not ask for tickets; name the one of AuthorizedKeysCommandUser as ssh: keys_user", by.p.account)
	}
	conn, err := sshdAbove(by.p.peer)
	if err != nil {
		return process{}, fmt.Errorf("no ticket: %w", err)
	}
	return conn, nil
}

// write gives a ticket as text: its number, signed together with all that it is about.
func (t *Tickets) write(tk *ticket) string {
	return base64.RawURLEncoding.EncodeToString(append(tk.id[:], t.sign(tk)...))
}

func (t *Tickets) sign(tk *ticket) []byte {
	m := hmac.New(sha256.New, t.secret[:])
	for _, n := range []uint64{uint64(tk.uid), uint64(tk.conn.pid), tk.conn.start, uint64(tk.expires.UnixNano())} {
		_ = binary.Write(m, binary.BigEndian, n) // a hash takes everything
	}
	fmt.Fprintf(m, "%q %q", tk.person, tk.from)
	m.Write(tk.id[:])
	m.Write(tk.key.Marshal())
	return m.Sum(nil)
}

// errNoTicket tells nothing of the tickets there are.
var errNoTicket = errors.New("this is no ticket that is out: it is older than a minute, was changed, or muxward began anew since; log in again")

// Redeem takes a ticket, and gives who its key's person is. From then on the process
// that brought it, and no other, is that person at every door, until it ends or the key
// is not taken any more. With an error the key is given too, as far as it is known.
func (t *Tickets) Redeem(by Identity, text string) (Identity, string, error) {
	if by.p == nil || by.p.peer == nil {
		return Identity{}, "", errors.New("a ticket is taken from a process of this host only")
	}
	self, err := processOf(by.p.peer)
	if err != nil {
		return Identity{}, "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tk := t.find(text)
	if tk == nil {
		return Identity{}, "", errNoTicket
	}
	if err := t.fits(tk, by); err != nil {
		return Identity{}, DescribeSSHKey(tk.key), err
	}
	if err := t.arrive(self, by.p.uid, tk); err != nil {
		return Identity{}, DescribeSSHKey(tk.key), err
	}
	tk.used = true
	return Identity{tk.proof(by.p)}, DescribeSSHKey(tk.key), nil
}

// Arrive notes a process that a forced command has started without a ticket: it is the
// account it runs as, and offers no files.
func (t *Tickets) Arrive(by Identity) error {
	if by.p == nil || by.p.peer == nil {
		return errors.New("a forced command is a process of this host")
	}
	self, err := processOf(by.p.peer)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.arrive(self, by.p.uid, nil)
}

func (t *Tickets) arrive(self process, uid uint32, tk *ticket) error {
	t.sweep()
	n := 0
	for _, a := range t.came {
		if a.uid == uid {
			n++
		}
	}
	if len(t.came) >= maxTickets || n >= perAccount {
		return fmt.Errorf("%d people are here by sshd already, %d of them in this account; try again later", len(t.came), n)
	}
	if t.came == nil {
		t.came = map[process]*arrival{}
	}
	if t.came[self] != nil {
		return errors.New("this process has come in already")
	}
	t.came[self] = &arrival{uid: uid, ticket: tk, peers: map[*Peer]bool{}}
	return nil
}

// find gives the ticket that is written so.
func (t *Tickets) find(text string) *ticket {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != len(ticketID{})+sha256.Size {
		return nil
	}
	tk := t.out[ticketID(data[:len(ticketID{})])]
	if tk == nil || !hmac.Equal(data[len(ticketID{}):], t.sign(tk)) {
		return nil
	}
	return tk
}

// fits says why a ticket is not taken from whoever brings it. From others it is not
// used up: who has read it must not be able to spoil it.
func (t *Tickets) fits(tk *ticket, by Identity) error {
	if !t.Now().Before(tk.expires) {
		return errors.New("the ticket is older than a minute; log in again")
	}
	if by.p.uid != tk.uid {
		return errors.New("the ticket is for another account")
	}
	if bound {
		if err := descends(by.p.peer, tk.conn); err != nil {
			return err
		}
		if tk.used {
			return errors.New("the ticket was taken already: a login gives one session; log in again (with ssh -o ControlPath=none, if connections are shared)")
		}
	}
	return t.stands(tk)
}

// stands says why what a ticket rests on is not in force any more.
func (t *Tickets) stands(tk *ticket) error {
	k, err := t.Keys().plain(tk.key, t.Now())
	switch {
	case err != nil:
		return err
	case k.person != tk.person:
		return errors.New("the key is somebody else's now")
	case k.limits.fromText != tk.from:
		return errors.New("where the key may come from has changed; log in again")
	}
	return nil
}

// proof is who came with the ticket, and as which process.
func (tk *ticket) proof(of *proof) *proof {
	p := *of
	p.person, p.uid, p.gids, p.door, p.key, p.serial, p.streams = tk.person, noUID, nil, DoorSSHD, DescribeSSHKey(tk.key), serial(), true
	return &p
}

// known makes of who a process is by its account what it is by how it came in.
func (t *Tickets) known(of *proof) (*proof, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.came) == 0 {
		return of, nil
	}
	self, err := processOf(of.peer)
	if err != nil {
		return nil, err
	}
	a := t.came[self]
	if a == nil {
		return of, nil
	}
	if a.ticket == nil {
		of.streams = true
		return of, nil
	}
	if err := t.stands(a.ticket); err != nil {
		return nil, fmt.Errorf("%s came with a key that is not taken any more: %w", a.ticket.person, err)
	}
	a.peers[of.peer] = true
	peer := of.peer
	peer.leave = func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(a.peers, peer)
	}
	return a.ticket.proof(of), nil
}

// Reconsider ends the connections of those whose keys are not taken any more.
func (t *Tickets) Reconsider() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.came {
		if a.ticket == nil || len(a.peers) == 0 {
			continue
		}
		if err := t.stands(a.ticket); err != nil {
			for p := range a.peers {
				p.end(fmt.Errorf("the key that you came with is not taken any more: %w", err))
			}
		}
	}
	t.sweep()
}

// sweep forgets what is over. A ticket is kept for a while longer, to say of it what
// is wrong with it.
func (t *Tickets) sweep() {
	now, crowded := t.Now(), len(t.out) > maxTickets/2
	for id, tk := range t.out {
		if now.After(tk.expires.Add(ticketLife)) || crowded && !tk.conn.lives() {
			delete(t.out, id)
		}
	}
	for p := range t.came {
		if !p.lives() {
			delete(t.came, p)
		}
	}
}

// plain gives whose a key is that is no certificate. What the key's from= asks is not
// looked at.
func (t *SSHKeys) plain(key ssh.PublicKey, now time.Time) (*SSHKey, error) {
	if _, is := key.(*ssh.Certificate); is {
		return nil, errors.New("tickets are for plain keys; certificates are taken by muxward's own ssh door")
	}
	if err := t.revoked.check(key); err != nil {
		return nil, err
	}
	list := t.keys[string(key.Marshal())]
	if len(list) == 0 {
		return nil, ErrNoKey
	}
	i := slices.IndexFunc(list, func(k *SSHKey) bool { return k.limits.expires.IsZero() || now.Before(k.limits.expires) })
	if i < 0 {
		return nil, fmt.Errorf("the key of %s has expired (%s)", list[0].name(), list[0].where)
	}
	return list[i], nil
}

func (p process) lives() bool {
	st, err := readStat(p.pid)
	return err == nil && st.Start == p.start
}

// processOf gives a peer's process, for good.
func processOf(p *Peer) (process, error) {
	st, err := readStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	return process{p.pid, st.Start}, nil
}

// sshdAbove gives the parent of a process, if that is an sshd of root's.
func sshdAbove(p *Peer) (process, error) {
	st, err := readStat(p.pid)
	if err != nil || !p.Alive() {
		return process{}, ErrPeerGone
	}
	up, same := parent(p.pid, st)
	if !same || st.PPID <= 1 {
		return process{}, errors.New("whoever asked for it has ended")
	}
	if err := isSSHD(st.PPID); err != nil {
		return process{}, err
	}
	again, err := readStat(p.pid)
	if err != nil || again.PPID != st.PPID || !p.Alive() {
		return process{}, errors.New("whoever asked for it has ended")
	}
	return process{st.PPID, up.Start}, nil
}

// isSSHD reports why a process is no sshd that runs as root. A server that waits for
// connections is none that a ticket may be for: everybody's process descends from it.
func isSSHD(pid int) error {
	status, err := readProc(pid, "status", 8192)
	if err != nil {
		return err
	}
	if !isRoots(status) {
		return errors.New("it is asked for by a process that is not root's; sshd has to start muxward keys itself")
	}
	exe, err := readLink(pid, "exe")
	if err != nil {
		return err
	}
	if !sshdProgram(exe) {
		return fmt.Errorf("it is asked for by %.64q, and not by sshd", exe)
	}
	listens, err := listening(pid)
	if err == nil && listens {
		err = errors.New("it is asked for by an sshd that waits for connections, and not by one of a connection")
	}
	return err
}

// descends reports why a process is not below another.
func descends(p *Peer, from process) error {
	errElse := errors.New("the ticket is for another connection")
	st, err := readStat(p.pid)
	if err != nil || !p.Alive() {
		return ErrPeerGone
	}
	held, pid := st, p.pid
	for range maxAncestry {
		if (process{pid, st.Start}) == from {
			if !p.Alive() {
				return ErrPeerGone
			}
			return nil
		}
		if st.PPID <= 1 {
			return errElse
		}
		up, same := parent(pid, st)
		if same {
			pid, st = st.PPID, up
			continue
		}
		// The parent ended meanwhile: begin again, as find does.
		pid = p.pid
		if st, err = readStat(pid); err != nil || st.Start != held.Start {
			return ErrPeerGone
		}
	}
	return errElse
}
