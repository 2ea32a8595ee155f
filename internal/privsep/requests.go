package privsep

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/keep"
)

// askTime is how long what needs no account may take.
const askTime = 10 * time.Second

// Notify tells the service manager how the daemon is. With [Ready] the helper
// takes the daemon for started.
func (c *Client) Notify(ctx context.Context, s State) error {
	return c.callPlain(ctx, NumNotify, Notify{s}, &Nothing{})
}

// Ctl gives a new listener at RUN/ctl.
func (c *Client) Ctl(ctx context.Context) (*os.File, error) {
	return c.callFile(ctx, NumCtl, Nothing{}, &Nothing{})
}

// AuthKeys reads an account's authorized_keys, of at most limit bytes.
func (c *Client) AuthKeys(ctx context.Context, account string, limit int64) ([]byte, error) {
	f, err := c.callFile(ctx, NumAuthKeys, AuthKeys{account}, &Nothing{})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("the authorized_keys of %s have more than %d bytes", account, limit)
	}
	return data, err
}

// LoginTime is how long a login may take to begin.
const LoginTime = 40 * time.Second

// Login begins a login by a password; end ends it, and what it has started. It is waited for also
// by who has gone meanwhile: only then it can be ended. One that begins too late is ended, too.
func (c *Client) Login(ctx context.Context, account, from string) (line *os.File, end func(), err error) {
	whole := context.WithoutCancel(ctx)
	long, cancel := context.WithTimeout(whole, LoginTime)
	defer cancel()
	endOf := func(l Login) {
		ctx, cancel := context.WithTimeout(whole, askTime)
		defer cancel()
		_ = c.callPlain(ctx, NumPAMEnd, l, &Nothing{}) // the helper ends it in any case, some time
	}
	var l Login
	files, err := c.call(long, NumPAM, PAM{account, from}, &l, func(done []byte) {
		var late Login
		if Decode(done, &late) == nil {
			endOf(late)
		}
	})
	if line, err = one(NumPAM, files, err); err != nil {
		return nil, nil, err
	}
	end = func() { endOf(l) }
	if err = context.Cause(ctx); err != nil {
		_ = line.Close()
		end()
		return nil, nil, err
	}
	return line, end, nil
}

// Serving has it written down for muxward's commands where we serve.
func (c *Client) Serving(ctx context.Context, addr string) error {
	return c.callPlain(ctx, NumServing, Serving{addr}, &Nothing{})
}

// Forced asks whether a process of an account came in by `muxward attach`. Each account has its
// own share of the turns: its processes may let us wait.
func (c *Client) Forced(ctx context.Context, pid int, uid uint32) (bool, error) {
	leave, err := c.ofUID.enter(ctx, uid, c.gone)
	if err != nil {
		return false, err
	}
	var f Forced
	files, err := c.shared(ctx, NumForced, Process{pid}, &f, nil, leave)
	return f.Forced, none(NumForced, files, err)
}

// ReadProfiles has root's file of session profiles read, and gives what may be known of it.
func (c *Client) ReadProfiles(ctx context.Context) (keep.Offer, error) {
	var o keep.Offer
	err := c.callPlain(ctx, NumProfiles, Nothing{}, &o)
	return o, err
}

// TakeProfiles has put in force what was read with this number.
func (c *Client) TakeProfiles(ctx context.Context, number uint64) error {
	return c.callPlain(ctx, NumTake, Take{number}, &Nothing{})
}

// SSHD asks why a process is no sshd of root's for one connection; nil if it is one.
func (c *Client) SSHD(ctx context.Context, pid int) error {
	return c.callPlain(ctx, NumSSHD, Process{pid}, &Nothing{})
}

// Directory asks the helper about accounts that no file has.
func (c *Client) Directory() Directory { return Directory{c} }

// Directory is asked about accounts that no file has.
type Directory struct{ c *Client }

// ByUID gives the account of a uid. Who comes with it has its own share of the turns, as a directory may
// let us wait.
func (d Directory) ByUID(ctx context.Context, uid uint32) (accounts.Account, error) {
	return d.told(ctx, Whose{UID: uid}, uid)
}

// ByName gives the account of a name. All names have one share.
func (d Directory) ByName(ctx context.Context, name string) (accounts.Account, error) {
	if name == "" { // which would be about a uid
		return accounts.Account{}, accounts.ErrNoAccount
	}
	return d.told(ctx, Whose{Name: name}, accounts.NoID)
}

func (d Directory) told(ctx context.Context, w Whose, of uint32) (accounts.Account, error) {
	leave, err := d.c.ofDirectory.enter(ctx, of, d.c.gone)
	if err != nil {
		return accounts.Account{}, err
	}
	var t Told
	files, err := d.c.shared(ctx, NumAccount, w, &t, nil, leave)
	if err = none(NumAccount, files, err); errors.Is(err, unix.ETIMEDOUT) {
		err = fmt.Errorf("%w: %w", accounts.ErrUnanswered, err)
	}
	if err != nil {
		return accounts.Account{}, err
	}
	if !t.Found {
		return accounts.Account{}, fmt.Errorf("no file has it, and no directory: %w", accounts.ErrNoAccount)
	}
	return t.Account, nil
}

// Keys gives the public halves of the keys that are held.
func (c *Client) Keys(ctx context.Context) (Keys, error) {
	var k Keys
	if err := c.callPlain(ctx, NumKeys, Nothing{}, &k); err != nil {
		return Keys{}, err
	}
	if len(k.Host) != ed25519.PublicKeySize {
		return Keys{}, errors.New("the host key that muxward-helper holds is not one of ed25519")
	}
	return k, nil
}

// Signer signs with the host key, which is not here.
func (c *Client) Signer(public []byte) crypto.Signer {
	return &signer{c, ed25519.PublicKey(public)}
}

type signer struct {
	c      *Client
	public ed25519.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign signs the hash of an ssh exchange.
func (s *signer) Sign(_ io.Reader, data []byte, o crypto.SignerOpts) ([]byte, error) {
	if o.HashFunc() != crypto.Hash(0) {
		return nil, errors.New("a host key of ed25519 signs what is not hashed before")
	}
	return s.c.Sign(Sign{Key: HostKey, Data: data})
}

// Signed tells of how many records of the log a checkpoint was signed last.
func (c *Client) Signed() (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var s Signed
	if err := c.callPlain(ctx, NumSigned, Nothing{}, &s); err != nil {
		return 0, fmt.Errorf("ask how much of the log is signed: %w", err)
	}
	return s.Size, nil
}

// Sign has one of the keys sign.
func (c *Client) Sign(s Sign) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	var out Signature
	if err := c.callPlain(ctx, NumSign, s, &out); err != nil {
		return nil, fmt.Errorf("sign with the %s key: %w", s.Key, err)
	}
	if len(out.Signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("sign with the %s key: what comes is no signature", s.Key)
	}
	return out.Signature, nil
}
