package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// SSHKeys says which keys prove whom. It is immutable: a change is a new one.
type SSHKeys struct {
	keys        map[string][]*SSHKey // by the key as it goes over the wire
	authorities map[string][]*SSHKey
	revoked     *SSHRevoked
	isPerson    func(string) bool
}

// NewSSHKeys puts the lists together. A key that is listed for two people proves
// neither of them, which the errors tell, and the rest stays in force.
func NewSSHKeys(keys, authorities []*SSHKey, revoked *SSHRevoked, isPerson func(string) bool) (*SSHKeys, []error) {
	t := &SSHKeys{keys: map[string][]*SSHKey{}, authorities: map[string][]*SSHKey{}, revoked: revoked, isPerson: isPerson}
	for _, k := range keys {
		wire := string(k.key.Marshal())
		t.keys[wire] = append(t.keys[wire], k)
	}
	for _, k := range authorities {
		wire := string(k.key.Marshal())
		t.authorities[wire] = append(t.authorities[wire], k)
	}
	var wrong []error
	for _, wire := range slices.Sorted(maps.Keys(t.keys)) {
		list := t.keys[wire]
		for _, k := range list[1:] {
			if k.person != list[0].person {
				wrong = append(wrong, fmt.Errorf("%s: the key is that of %s, too (%s): it proves neither", k.where, list[0].person, list[0].where))
				delete(t.keys, wire)
				break
			}
		}
	}
	return t, wrong
}

// Unclaimed gives those keys of files that people may fill themselves that nobody
// else has: not in the list of the people, nor in the table in force, as long as
// theirs is still listed. Otherwise whoever adds somebody's public key to their own
// would take theirs away. The errors tell of the others.
func Unclaimed(people, files []*SSHKey, inForce *SSHKeys) (kept []*SSHKey, wrong []error) {
	claimed := map[string]*SSHKey{}
	for _, k := range files {
		wire := string(k.key.Marshal())
		if inForce != nil && len(inForce.keys[wire]) > 0 && inForce.keys[wire][0].person == k.person {
			claimed[wire] = k
		}
	}
	for _, k := range people {
		claimed[string(k.key.Marshal())] = k
	}
	for _, k := range files {
		if by := claimed[string(k.key.Marshal())]; by != nil && by.person != k.person {
			wrong = append(wrong, fmt.Errorf("%s: the key is that of %s (%s), and does not prove %s", k.where, by.person, by.where, k.person))
			continue
		}
		kept = append(kept, k)
	}
	return kept, wrong
}

// Len counts the keys and the authorities.
func (t *SSHKeys) Len() (keys, authorities int) { return len(t.keys), len(t.authorities) }

// SSHProver proves who is at the other end of an SSH connection.
type SSHProver struct {
	// Keys gives the keys that are in force now.
	Keys func() *SSHKeys
	// Now is the clock.
	Now func() time.Time
	// Refused, if set, is told why a key that was offered or proved is not taken.
	Refused func(from net.Addr, key string, proved bool, why error)
	// Second, if set, is what people prove beside their key who have it.
	Second SecondFactor
	// Asking, if set, is told before somebody is asked for it who has proved a key, or
	// whatever by says. An error refuses them.
	Asking func(person, by string) error
	// Passwords, if set, have people prove an account of this host in the place of a key.
	Passwords *SSHPasswords
	// Trying, if set, is told before somebody tries to; an error refuses that. Guessed is
	// told whose they tried if they could not.
	Trying  func() error
	Guessed func(name string)
	// NotAsked, if set, is told if nobody could be asked about a password.
	NotAsked func(error)
}

// proofKey is where a proof is kept in the permissions of a connection. Nobody
// else can name it, so nobody else can put one there.
type proofKey struct{}

// SSHProof is what a connection has proved, and until when that holds.
type SSHProof struct {
	person   string
	key      ssh.PublicKey  // nil if an account was proved
	password *passwordProof // nil if a key was proved
	behind   *passwordProof // of the account that was proved behind the key
	from     netip.AddrPort
	until    time.Time
	noPTY    bool
	noPorts  bool
	noAgent  bool
	own      bool   // it rests on a key that its person has listed
	second   string // what was proved beside, as [SecondFactor.Of] tells it
}

// describe says what was proved, for the log.
func (p *SSHProof) describe() string {
	what := p.by()
	if p.behind != nil {
		what += fmt.Sprintf(", and the password of %q", p.behind.account.Name)
	}
	if p.second != "" {
		what += ", and a second factor"
	}
	return what
}

func (p *SSHProof) by() string {
	if p.password != nil {
		return fmt.Sprintf("password of %q", p.password.account.Name)
	}
	return DescribeSSHKey(p.key)
}

// ByPassword reports whether an account was proved, and no key.
func (p *SSHProof) ByPassword() bool { return p.password != nil }

// RestsOnAccount reports whether an account of this host was proved, alone or behind a key.
func (p *SSHProof) RestsOnAccount() bool { return p.password != nil || p.behind != nil }

// Target is what a user name means to somebody: [account+]target. Who comes by a password
// has given it an account, with a target behind it or not.
func (p *SSHProof) Target(user string) string {
	account, target, named := strings.Cut(user, "+")
	if !named && p.password == nil {
		return account
	}
	return target
}

// Until is when the proof ends; zero: never.
func (p *SSHProof) Until() time.Time { return p.until }

// MayHaveTerminal reports whether the key may be used on a terminal.
func (p *SSHProof) MayHaveTerminal() bool { return !p.noPTY }

// MayForward reports whether the key may be used to forward ports and sockets, and
// MayHaveAgent whether for an agent: what the policy says comes behind that.
func (p *SSHProof) MayForward() bool { return !p.noPorts }

// MayHaveAgent is told at MayForward.
func (p *SSHProof) MayHaveAgent() bool { return !p.noAgent }

// Install makes the prover the only one who lets people in.
//
// A client may offer keys that it does not hold: then [SSHProver] only says
// whether it is worth proving. A proof is kept when the library has verified the
// signature, and taken from there by [SSHProver.FromConn].
// What is asked of people meanwhile ends with ctx.
func (p *SSHProver) Install(ctx context.Context, c *ssh.ServerConfig) {
	c.NoClientAuth = false
	c.PasswordCallback, c.KeyboardInteractiveCallback = nil, nil
	p.passwords(ctx, c)
	var offered *SSHProof // whom the first key would make, if it were proved
	c.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		would, err := p.check(conn.RemoteAddr(), key)
		if offered == nil && err == nil {
			offered = would
		}
		if err != nil {
			p.refused(conn.RemoteAddr(), key, false, err)
			return nil, errDenied
		}
		return &ssh.Permissions{}, nil
	}
	c.VerifiedPublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		proof, err := p.check(conn.RemoteAddr(), key)
		if err == nil {
			err = proof.meant(conn.User(), p.Keys().isPerson)
		}
		if err != nil {
			p.refused(conn.RemoteAddr(), key, true, err)
			return nil, errDenied
		}
		return p.further(ctx, conn.RemoteAddr(), believed(offered, proof))
	}
}

// meant refuses somebody who says that they are another person than the one who has
// listed their key: that may have been done to have them come as who they are not.
func (pr *SSHProof) meant(user string, isPerson func(string) bool) error {
	if name, _, _ := strings.Cut(user, "+"); pr.own && name != pr.person && isPerson(name) {
		return fmt.Errorf("the key is listed by %s, and whoever has it says that they are %s", pr.person, name)
	}
	return nil
}

// errDenied is all that a client could hear.
var errDenied = errors.New("permission denied")

func (p *SSHProver) refused(from net.Addr, key ssh.PublicKey, proved bool, why error) {
	if p.Refused != nil {
		p.Refused(from, DescribeSSHKey(key), proved, why)
	}
}

func (p *SSHProver) refusedBy(from net.Addr, by string, why error) {
	if p.Refused != nil {
		p.Refused(from, by, true, why)
	}
}

// FromConn gives the identity that a connection has proved with the key, or the account,
// that ended its authentication.
func (p *SSHProver) FromConn(conn *ssh.ServerConn, door string) (Identity, *SSHProof, error) {
	if conn.Permissions == nil {
		return Identity{}, nil, errors.New("the connection has proved nobody")
	}
	proved, ok := conn.Permissions.ExtraData[proofKey{}].(*SSHProof)
	if !ok || proved.person == "" {
		return Identity{}, nil, errors.New("the connection has proved nobody")
	}
	is := &proof{person: proved.person, uid: noUID, door: door, serial: serial(),
		mfa: proved.second != "" || proved.behind != nil, from: proved.from.String()}
	if pw := proved.password; pw != nil {
		is.account, is.login, is.mfa = pw.account.Name, &pw.account.UID, is.mfa || pw.mfa
	} else {
		is.key = proved.describe()
	}
	return Identity{is}, proved, nil
}

// Stands says whether a proof would still be taken, by the keys in force now, and
// gives it as it is by those: it may end earlier or later. An account that is not found
// before ctx ends does not stand.
func (p *SSHProver) Stands(ctx context.Context, pr *SSHProof) (*SSHProof, error) {
	return p.Look()(ctx, pr)
}

// Look is [SSHProver.Stands] for many proofs, one after the other: an account that several
// have proved is looked up once.
func (p *SSHProver) Look() func(ctx context.Context, pr *SSHProof) (*SSHProof, error) {
	find := p.Passwords.standing()
	return func(ctx context.Context, pr *SSHProof) (*SSHProof, error) {
		if pr.password == nil {
			now, err := p.AtOnce(pr)
			if err == nil {
				err = p.Passwords.behindStands(ctx, pr, find)
			}
			if err != nil {
				return nil, err
			}
			return now, nil
		}
		if err := p.Passwords.stands(ctx, pr, find); err != nil {
			return nil, err
		}
		return pr, p.stillSecond(pr)
	}
}

// AtOnce is [SSHProver.Stands] by what nobody waits for: by all but the account that a proof rests on.
func (p *SSHProver) AtOnce(pr *SSHProof) (*SSHProof, error) {
	if pr.password != nil {
		return pr, nil
	}
	if pr.behind == nil && p.Passwords.behindKey(pr.person) {
		return nil, errors.New("a key alone is not enough any more: they prove the password of their account behind it (ssh: pam_behind_keys)")
	}
	return p.keyStands(pr)
}

func (p *SSHProver) keyStands(pr *SSHProof) (*SSHProof, error) {
	now, err := p.check(net.TCPAddrFromAddrPort(pr.from), pr.key)
	switch {
	case err != nil:
		return nil, err
	case now.person != pr.person:
		return nil, errors.New("the key is somebody else's now")
	case now.noPTY && !pr.noPTY:
		return nil, errors.New("the key may not be used on a terminal any more")
	case now.noPorts && !pr.noPorts, now.noAgent && !pr.noAgent:
		return nil, errors.New("the key may not be used to forward any more")
	}
	if err := p.stillSecond(pr); err != nil {
		return nil, err
	}
	now.second, now.behind = pr.second, pr.behind
	return now, nil
}

// check says whom a key proves that comes from an address, once its owner has
// signed with it.
func (p *SSHProver) check(from net.Addr, key ssh.PublicKey) (*SSHProof, error) {
	at, err := addressOf(from)
	if err != nil {
		return nil, err
	}
	pr := &SSHProof{key: key, from: at}
	t, now := p.Keys(), p.Now()
	if err := t.revoked.check(key); err != nil {
		return nil, err
	}
	cert, is := key.(*ssh.Certificate)
	if !is {
		list := t.keys[string(key.Marshal())]
		if len(list) == 0 {
			return nil, errors.New("the key is nobody's here")
		}
		return pr, pr.fits(list, now)
	}
	return pr, t.trusts(pr, cert, t.certified(pr, cert, now))
}

// addressOf gives where a connection comes from.
func addressOf(from net.Addr) (netip.AddrPort, error) {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("a connection from %v has no address to go by", from)
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

// fits takes the first line of a key whose conditions hold.
func (pr *SSHProof) fits(list []*SSHKey, now time.Time) (err error) {
	for _, k := range list {
		switch {
		case !k.limits.expires.IsZero() && !now.Before(k.limits.expires):
			err = fmt.Errorf("the key of %s has expired (%s)", k.name(), k.where)
		case !comes(k.limits.from, pr.from.Addr()):
			err = fmt.Errorf("the key of %s may not come from there (from= in %s)", k.name(), k.where)
		default:
			pr.person, pr.own = k.person, k.own
			pr.noPTY = pr.noPTY || k.limits.noPTY
			pr.noPorts = pr.noPorts || k.limits.noPorts
			pr.noAgent = pr.noAgent || k.limits.noAgent
			pr.ends(k.limits.expires)
			return nil
		}
	}
	return err
}

func (k *SSHKey) name() string {
	if k.person == "" {
		return "the authority"
	}
	return k.person
}

func (pr *SSHProof) ends(at time.Time) {
	if !at.IsZero() && (pr.until.IsZero() || at.Before(pr.until)) {
		pr.until = at
	}
}

// DescribeSSHKey names a key, or a certificate with what it rests on, for the
// log.
func DescribeSSHKey(key ssh.PublicKey) string {
	cert, is := key.(*ssh.Certificate)
	if !is {
		return ssh.FingerprintSHA256(key)
	}
	return fmt.Sprintf("%s certificate %.64q serial %d of %s", ssh.FingerprintSHA256(cert.Key), cert.KeyId,
		cert.Serial, ssh.FingerprintSHA256(cert.SignatureKey))
}
