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

	"github.com/muxward/muxward/internal/procfs"
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
	// maxLogins bounds the connections of sshd that are known, perPersonOut those of
	// which somebody has a ticket that was not taken yet (anybody who knows a public key
	// may have one made), perPerson those by which somebody has come in.
	maxLogins    = 4096
	perPersonOut = 256
	perPerson    = 64
	// maxForced bounds those who came by a forced command without a ticket, perAccount
	// those of one account.
	maxForced  = 4096
	perAccount = 512
)

// Tickets makes tickets for keys, takes them, and knows who came with one. They are in
// memory alone: another Tickets takes none of them. Its fields are set before it is used
// and not changed.
type Tickets struct {
	// Keys gives the keys that are in force now, Now is the clock.
	Keys func() *SSHKeys
	Now  func() time.Time
	// SSHD says why a process is no sshd of root's for one connection, where others see that
	// ([procfs.SSHD]). Nil: we do.
	SSHD func(pid int) error
	// Asker is the account that sshd asks as; with "" nobody is given a ticket.
	Asker string
	// Accounts are those that tickets are for, with their uids. Whoever comes as one of
	// them is nobody, but for a ticket.
	Accounts map[string]uint32
	// Second tells what a person has to prove beside a key, "" for nothing: an sshd of the
	// host does not ask for it, so who has that comes by no ticket. Nil: nobody has.
	Second func(person string) string
	// Owner says whose an account is by the policy in force, "" if nobody's. Nil: nobody's.
	Owner func(uid uint32, account string) string

	mu     sync.RWMutex
	secret [sha256.Size]byte // zero until the first ticket
	logins map[process]*login
	out    map[ticketID]*ticket
	came   map[int]*arrival // by process id
	forced int              // those of came without a ticket
}

type ticketID [16]byte

// login is a connection of an sshd of the host. It has one ticket: that for the key that
// was asked about last, as sshd asks once more when a key is proved.
type login struct {
	conn   *heldProcess
	ticket *ticket
	taken  bool
}

// ticket is one that is out, or was taken.
type ticket struct {
	id      ticketID
	login   *login
	account string // that is logged in to
	uid     uint32
	key     ssh.PublicKey
	person  string
	from    string
	expires time.Time
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
// has to be a child of the connection that is asked for. The ticket before, of the same
// connection, is not taken any more.
func (t *Tickets) Issue(by Identity, account Account, key ssh.PublicKey) (TicketLine, error) {
	if err := t.MayAsk(by); err != nil {
		return TicketLine{}, err
	}
	if err := t.given(account.Name, account.UID); err != nil {
		return TicketLine{}, err
	}
	k, err := t.worth(key) // strangers' keys are to cost nothing more
	if err != nil {
		return TicketLine{}, err
	}
	conn, err := sshdAbove(by.p.peer, t.isSSHD)
	if err != nil {
		return TicketLine{}, fmt.Errorf("no ticket: %w", err)
	}
	return t.issue(conn, account, k)
}

func (t *Tickets) isSSHD(pid int) error {
	if t.SSHD != nil {
		return t.SSHD(pid)
	}
	return procfs.SSHD(pid)
}

// MayAsk says why somebody may not ask for tickets, whatever they ask. Anybody can call
// `muxward keys`: what counts is who started it, and only sshd starts something as that
// account.
func (t *Tickets) MayAsk(by Identity) error {
	switch {
	case by.p == nil || by.p.peer == nil:
		return errors.New("whoever asks for a ticket must be a process of this host")
	case t.Asker == "" || by.p.account != t.Asker:
		return fmt.Errorf("the account %q may not ask for tickets; name the one of AuthorizedKeysCommandUser as ssh: keys_user", by.p.account)
	}
	return nil
}

// given reports why no tickets are for an account. It is asked again when one is
// brought, and of those who came with one: whose the account is may have changed.
func (t *Tickets) given(account string, uid uint32) error {
	want, ok := t.Accounts[account]
	switch {
	case uid == 0:
		return errors.New("no tickets are for root")
	case !ok:
		return fmt.Errorf("no tickets are for the account %q: it is not among ssh: keys_accounts", account)
	case want != uid:
		return fmt.Errorf("no tickets are for the account %q: its uid was %d when muxward began, and is %d now; restart muxward", account, want, uid)
	}
	if t.Owner != nil {
		if person := t.Owner(uid, account); person != "" {
			return fmt.Errorf("no tickets are for the account %q: it is %s's own", account, person)
		}
	}
	return nil
}

// lent reports whether an account stands for nobody: people are lent it by sshd, or it
// is the one that sshd asks as.
func (t *Tickets) lent(account string, uid uint32) bool {
	if t == nil {
		return false
	}
	_, named := t.Accounts[account]
	if named || t.Asker != "" && account == t.Asker {
		return true
	}
	for _, of := range t.Accounts {
		if of == uid {
			return true
		}
	}
	return false
}

// Lent reports whether an account, or another of its uid, stands for nobody.
func (t *Tickets) Lent(account Account) bool { return t.lent(account.Name, account.UID) }

// worth gives the entry of a key that a ticket may be for.
func (t *Tickets) worth(key ssh.PublicKey) (*SSHKey, error) {
	list, err := t.Keys().plain(key, t.Now())
	if err != nil {
		return nil, err
	}
	k := list[0]
	if err := t.enough(k.person); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(k.limits.from, func(f fromPattern) bool { return f.glob != "" }) {
		return nil, errors.New("from= of the key has a star or question mark, which an sshd may compare with names, too: " +
			"write addresses or networks (10.0.0.0/24), or no ticket is given for it")
	}
	return k, nil
}

// enough reports why a key alone is not, of a person.
func (t *Tickets) enough(person string) error {
	if t.Second == nil || t.Second(person) == "" {
		return nil
	}
	return fmt.Errorf("%s has a second factor, which an sshd of the host does not ask for: they come by muxward's own ssh door", person)
}

func (t *Tickets) issue(conn process, account Account, k *SSHKey) (TicketLine, error) {
	held, err := holdByID(conn)
	if err != nil {
		return TicketLine{}, fmt.Errorf("no ticket: whoever asked for it: %w", err)
	}
	tk := &ticket{account: account.Name, uid: account.UID, key: k.key, person: k.person, from: k.limits.fromText, expires: t.Now().Add(ticketLife)}
	_, _ = rand.Read(tk.id[:]) // never fails (crypto/rand)
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.logins[conn]
	if l != nil {
		held.close()
	} else if l, err = t.open(held, tk.person); err != nil {
		held.close()
		return TicketLine{}, err
	}
	if l.taken {
		return TicketLine{}, errors.New("no ticket: the connection has let somebody in already")
	}
	if l.ticket != nil {
		delete(t.out, l.ticket.id)
	}
	l.ticket, tk.login = tk, l
	t.out[tk.id] = tk
	return TicketLine{Person: tk.person, Ticket: t.write(tk), From: tk.from, PTY: !k.limits.noPTY}, nil
}

// open notes a connection that is new, if there is room for a ticket of somebody's.
func (t *Tickets) open(conn *heldProcess, person string) (*login, error) {
	if t.logins == nil {
		t.logins, t.out = map[process]*login{}, map[ticketID]*ticket{}
		_, _ = rand.Read(t.secret[:])
	}
	t.sweep(len(t.logins) >= maxLogins)
	n, now := 0, t.Now()
	for _, l := range t.logins {
		if !l.taken && l.ticket.person == person && now.Before(l.ticket.expires) {
			n++
		}
	}
	if len(t.logins) >= maxLogins || n >= perPersonOut {
		return nil, errors.New("no ticket: too many are out already; try again in a minute")
	}
	l := &login{conn: conn}
	t.logins[conn.process] = l
	conn.watch(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.forget(l)
	})
	return l, nil
}

// write gives a ticket as text: its number, signed together with all that it is about.
func (t *Tickets) write(tk *ticket) string {
	return base64.RawURLEncoding.EncodeToString(append(tk.id[:], t.sign(tk)...))
}

func (t *Tickets) sign(tk *ticket) []byte {
	m := hmac.New(sha256.New, t.secret[:])
	conn := tk.login.conn
	for _, n := range []uint64{uint64(tk.uid), uint64(conn.pid), conn.start, uint64(tk.expires.UnixNano())} {
		_ = binary.Write(m, binary.BigEndian, n) // a hash takes everything
	}
	fmt.Fprintf(m, "%q %q %q", tk.account, tk.person, tk.from)
	m.Write(tk.id[:])
	m.Write(tk.key.Marshal())
	return m.Sum(nil)
}

// errNoTicket tells nothing of the tickets there are.
var errNoTicket = errors.New("this is no ticket that is out: it is older than a minute, was changed, " +
	"another was asked for since, or muxward began anew; log in again")

// Redeem takes a ticket, and gives who its key's person is: for what is asked over this
// very connection. [Tickets.Arrive] makes it last. With an error the key is given too, as
// far as it is known.
func (t *Tickets) Redeem(by Identity, text string) (Identity, string, error) {
	if by.p == nil || by.p.peer == nil {
		return Identity{}, "", errors.New("a ticket is taken from a process of this host only")
	}
	if err := t.given(by.p.account, by.p.peer.uid); err != nil {
		return Identity{}, "", err
	}
	tk := t.find(text)
	if tk == nil {
		return Identity{}, "", errNoTicket
	}
	key := DescribeSSHKey(tk.key)
	if err := t.fits(tk, by); err != nil {
		return Identity{}, key, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.take(tk); err != nil {
		return Identity{}, key, err
	}
	return Identity{tk.proof(by.p)}, key, nil
}

// find gives the ticket that is written so.
func (t *Tickets) find(text string) *ticket {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != len(ticketID{})+sha256.Size {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
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
	if by.p.peer.uid != tk.uid || by.p.account != tk.account {
		return errors.New("the ticket is for another account")
	}
	if bound() {
		return descends(by.p.peer, tk.login.conn.process)
	}
	return nil
}

// take uses a ticket up.
func (t *Tickets) take(tk *ticket) error {
	if t.out[tk.id] != tk {
		return errNoTicket // another took its place just now
	}
	if tk.login.taken && once() {
		return errors.New("the ticket was taken already: a login gives one session; log in again (with ssh -o ControlPath=none, if connections are shared)")
	}
	if err := t.stands(tk); err != nil {
		return err
	}
	n := 0
	for _, l := range t.logins {
		if l.taken && l.ticket.person == tk.person {
			n++
		}
	}
	if n >= perPerson {
		return fmt.Errorf("you are here by %d connections of sshd already; end some", n)
	}
	tk.login.taken = true
	return nil
}

// stands says why what a ticket rests on is not in force any more. It is for the person.
func (t *Tickets) stands(tk *ticket) error {
	if err := t.given(tk.account, tk.uid); err != nil {
		return err
	}
	list, err := t.Keys().plain(tk.key, t.Now())
	switch {
	case err != nil:
		return err
	case list[0].person != tk.person: // a key is one person's
		return errors.New("the key is somebody else's now")
	case !slices.ContainsFunc(list, func(k *SSHKey) bool { return k.limits.fromText == tk.from }):
		return errors.New("where the key may come from has changed; log in again")
	}
	return t.enough(tk.person)
}

// proof is who came with the ticket, and as which process.
func (tk *ticket) proof(of *proof) *proof {
	p := *of
	p.person, p.uid, p.gids, p.door, p.key, p.serial, p.streams = tk.person, noUID, nil, DoorSSHD, DescribeSSHKey(tk.key), serial(), true
	p.ticket, p.why = tk, nil
	return &p
}

// plain gives the entries in force of a key that is no certificate, as an administrator
// lists it; there is one. What their from= asks is not looked at.
func (t *SSHKeys) plain(key ssh.PublicKey, now time.Time) ([]*SSHKey, error) {
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
	var valid []*SSHKey
	for _, k := range list {
		if k.limits.expires.IsZero() || now.Before(k.limits.expires) {
			valid = append(valid, k)
		}
	}
	if len(valid) == 0 {
		return nil, errors.New("the key has expired")
	}
	// Everybody logs in as the same name, which does not say who they want to be: by a
	// key of somebody else's that they list they would have another come as themselves.
	listed := slices.DeleteFunc(valid, func(k *SSHKey) bool { return k.own })
	if len(listed) == 0 {
		return nil, errors.New("the key is in its person's own authorized_keys only; tickets are for those that an administrator lists")
	}
	return listed, nil
}
