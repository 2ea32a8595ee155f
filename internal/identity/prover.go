package identity

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/procfs"
)

// Directory says which person a Unix account is. Both facts are given, and
// an answer must rest on what the policy says about them: a uid that was given
// to a new account is not the old person. An error refuses the connection; it
// is for the log, not for the peer. account is "" if the uid has none.
//
// It is asked anew for every connection and must not block.
type Directory interface {
	PersonOf(uid uint32, account string) (person string, err error)
}

// Prover makes identities from connections. Make one with NewProver.
type Prover struct {
	forced func(context.Context, int, uint32) (bool, error) // nil: see WithForced

	namespaces func(account string) bool // nil: see WithNamespaces
	ours       ownNamespaces

	dir      Directory
	accounts *Accounts
	panes    func(context.Context) ([]PaneProc, error)
	kernel   kernel
	overflow uint32
	outside  outsiders
	tickets  *Tickets
}

// Option changes a Prover.
type Option func(*Prover)

// WithPanes tells the Prover which panes are guarded, so that connections from
// inside one are marked. It is called once per connection; its error refuses
// the connection.
func WithPanes(panes func(context.Context) ([]PaneProc, error)) Option {
	return func(p *Prover) { p.panes = panes }
}

// WithAccounts makes the Prover share a's answers.
func WithAccounts(a *Accounts) Option {
	return func(p *Prover) { p.accounts = a }
}

// WithTickets makes those who came with a ticket the person that it says, and nobody of
// whoever else comes by an account that tickets are for.
func WithTickets(t *Tickets) Option {
	return func(p *Prover) { p.tickets = t }
}

// defaultOverflow is the kernel's default for uids that it cannot show.
const defaultOverflow = 65534

// NewProver makes a Prover that asks dir.
func NewProver(dir Directory, opts ...Option) *Prover {
	p := &Prover{dir: dir, overflow: defaultOverflow, ours: findOwnNamespaces()}
	if b, err := os.ReadFile("/proc/sys/kernel/overflowuid"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32); err == nil {
			p.overflow = uint32(n)
		}
	}
	for _, o := range opts {
		o(p)
	}
	if p.accounts == nil {
		p.accounts = NewAccounts()
	}
	return p
}

// FromPeer proves who is at the other end of conn, which came in at door: the
// uid is the effective one of the process when it connected, as the kernel
// says (unix(7), SO_PEERCRED), whatever user namespace it was in. A process
// that has ended, a uid that the kernel cannot show here and an account nobody
// knows are refused. A process of an account that sshd lends to people is nobody
// ([Identity.IsNobody]) until it brings a ticket.
//
// On success the caller closes the Peer, and drops the connection when
// [Peer.Gone] is closed. The connection stays the caller's in any case.
func (p *Prover) FromPeer(ctx context.Context, conn *net.UnixConn, door string) (Identity, *Peer, error) {
	peer, err := newPeer(conn, p.kernel)
	if err != nil {
		return Identity{}, nil, err
	}
	who, err := p.Prove(ctx, peer, door, false)
	if err != nil {
		_ = peer.Close()
		return Identity{}, nil, err
	}
	return who, peer, nil
}

// Hold takes hold of the process at the other end of conn, of which nothing is proved yet: it
// is for [Prover.Prove]. The caller closes the Peer.
func (p *Prover) Hold(conn *net.UnixConn) (*Peer, error) { return newPeer(conn, p.kernel) }

// Prove proves who a peer is that came in at a door, as FromPeer does. For who would freeze
// something it waits no longer than freezeTime for what could tell whether a forced command
// has started it: they may freeze in doubt, see [Identity.Freezing].
func (p *Prover) Prove(ctx context.Context, peer *Peer, door string, freezing bool) (Identity, error) {
	return p.at(ctx, peer, door, freezing)
}

// freezeTime is how long who would freeze something waits for that.
const freezeTime = 500 * time.Millisecond

// at proves who a peer is that came in at a door.
func (p *Prover) at(ctx context.Context, peer *Peer, door string, freezing bool) (Identity, error) {
	proof, err := p.prove(ctx, peer, freezing)
	if err != nil {
		return Identity{}, err
	}
	proof.door, proof.peer = door, peer
	if p.tickets != nil {
		if proof, err = p.tickets.known(proof); err != nil {
			return Identity{}, err
		}
	}
	return Identity{proof}, nil
}

func (p *Prover) prove(ctx context.Context, peer *Peer, freezing bool) (*proof, error) {
	if peer.uid == p.overflow || peer.uid == defaultOverflow || peer.uid == ^uint32(0) {
		return nil, fmt.Errorf("the peer's uid %d stands for accounts the kernel cannot show here; connect from outside that user namespace", peer.uid)
	}
	account, err := p.accounts.ByUID(ctx, peer.uid)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return nil, err
	}
	if err := p.sameHost(peer, account.Name); err != nil {
		return nil, err
	}
	person := "" // who is lent an account is whom their ticket says
	if !p.tickets.lent(account.Name, peer.uid) {
		if person, err = p.personOf(peer.uid, account.Name); err != nil {
			return nil, err
		}
	}
	in, seen, err := p.inside(ctx, peer)
	if err != nil {
		return nil, err
	}
	var doubt error
	said, forced := claims(peer.pid)
	if p.forced != nil && !forced {
		forced, doubt = p.toldForced(ctx, peer, freezing)
	}
	if !peer.Alive() {
		return nil, ErrPeerGone
	}
	return &proof{person: person, account: account.Name, uid: peer.uid, gids: peer.gids,
		pid: peer.pid, inside: in, detached: detached(seen), serial: serial(), claims: said, forced: forced, doubt: doubt}, nil
}

// toldForced has another tell whether a forced command has started a peer.
func (p *Prover) toldForced(ctx context.Context, peer *Peer, freezing bool) (bool, error) {
	if freezing {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, freezeTime)
		defer cancel()
	}
	return p.forced(ctx, peer.pid, peer.uid)
}

func (p *Prover) personOf(uid uint32, account string) (string, error) {
	person, err := p.dir.PersonOf(uid, account)
	if err != nil {
		return "", fmt.Errorf("uid %d (account %q) is nobody here: %w", uid, account, err)
	}
	if person, err = CanonicalName(person); err != nil {
		return "", fmt.Errorf("uid %d (account %q): %w", uid, account, err)
	}
	return person, nil
}

func (p *Prover) inside(ctx context.Context, peer *Peer) (string, procfs.Stat, error) {
	var panes []PaneProc
	if p.panes != nil {
		var err error
		if panes, err = p.panes(ctx); err != nil {
			return "", procfs.Stat{}, fmt.Errorf("list the guarded panes: %w", err)
		}
	}
	return inside(peer, panes, &p.outside)
}

// serial tells proofs apart by chance, which needs no state: 2^-64.
func serial() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:]) | 1
}
