package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/trusted"
)

// maxRevokedFile bounds one of what was revoked.
const maxRevokedFile = 8 << 20

// sshDoor is the SSH door with the lists that it rests on, which an sshd of the host may
// ask about, too. A nil one is a door that is closed and lists that are not asked for.
type sshDoor struct {
	config config.SSH
	server *sshd.Server
	ls     []net.Listener // none if nothing but the lists is used
	keys   atomic.Pointer[identity.SSHKeys]
	totp   atomic.Pointer[identity.TOTPKeys]
	pam    sshPAM

	key      *sshd.HostKey
	now      func() time.Time
	accounts *accountKeys // nil if those are not taken

	turn   sync.Mutex // of one load at a time
	claims identity.SSHClaims
	told   map[string]*toldOf // of people's own files, by person

	loading sync.Mutex
	last    lists
	stamp   string // of the lists as last read
	broken  error  // why not all of them are in force
}

// openSSH makes the door, if there is to be one. What is wrong with its lists keeps
// muxward from starting.
func (d *daemon) openSSH(ctx context.Context) (*sshDoor, error) {
	if d.config.SSH.PAMService() != "" && d.config.SSH.Listen == "" {
		return nil, errors.New("ssh: pam is about the ssh door, which is closed: give ssh: {listen: ADDRESS}, or leave pam out")
	}
	if d.config.SSH.Listen == "" && d.config.SSH.KeysUser == "" {
		return nil, nil
	}
	s := &sshDoor{config: d.config.SSH, now: d.gateway.Time, pam: sshPAM{look: ctxlock.NewTurn(), stand: ctxlock.NewTurn(), helper: d.helper}}
	if err := d.lend(ctx); err != nil {
		return nil, err
	}
	if s.config.AccountKeys {
		s.accounts = &accountKeys{account: d.accountNamed, readFile: d.readAccountKeys}
		if d.config.Directory() {
			s.accounts.elsewhere = d.elsewhere
		}
		if uid := uint32(os.Geteuid()); !d.config.Separated && uid != 0 {
			s.accounts.own = &uid
		}
	}
	var err error
	if s.config.Listen != "" {
		s.key = d.hostKey
	}
	if s.config.Listen != "" && s.key == nil {
		if s.key, err = sshd.OpenHostKey(d.config.State); err != nil {
			return nil, err
		}
	}
	if s.config.Listen != "" { // the lists are held against it
		if err := s.pam.set(s.config); err != nil {
			return nil, err
		}
	}
	if err := s.load(d.policy.Set, d.complain); err != nil || s.config.Listen == "" {
		return s, err
	}
	if s.ls, err = d.listenSSH(ctx); err != nil {
		return nil, err
	}
	s.server = &sshd.Server{
		Gateway: d.gateway, Key: s.key, Complain: d.complain,
		Prover: identity.SSHProver{Keys: s.keys.Load, Now: d.gateway.Time, Second: s.second(d),
			Passwords: &identity.SSHPasswords{Rules: s.pam.now, Login: s.pam.login,
				Account: func(ctx context.Context, name string) (identity.Account, string, error) {
					return s.pam.lookUp(ctx, s.pam.look, name, d.passwordAccount)
				},
				Standing: func(ctx context.Context, name string) (identity.Account, string, error) {
					return s.pam.lookUp(ctx, s.pam.stand, name, d.passwordAccount)
				},
				Of: func(ctx context.Context, person string) (string, error) {
					a, err := d.accountNamed(ctx, person)
					return a.Name, err
				}}},
		Home: d.homeOf,
		Join: d.joinBySSH,
		Room: &d.descriptors,

		Reaching: d.reaching(), Idle: s.config.Idle,
	}
	return s, nil
}

// listenSSH opens the door's address, or takes the sockets that were passed in its place.
func (d *daemon) listenSSH(ctx context.Context) (ls []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range ls {
				_ = l.Close()
			}
			ls = nil
		}
	}()
	if len(d.sockets) == 0 {
		l, err := sshd.Listen(ctx, d.config.SSH.Listen)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	defer activation.Close(d.sockets) // the listeners have copies
	for _, s := range d.sockets {
		l, err := sshd.Passed(s.File)
		if err != nil {
			return ls, err
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// lists are those of the door beside people.yaml, each as it could be read last.
type lists struct {
	keys, authorities []*identity.SSHKey
	revoked           *identity.SSHRevoked
}

// load reads the lists and puts them in force, together with the people of the
// policy. In the place of one that cannot be read stands what it was before; the
// error tells.
func (s *sshDoor) load(now func() *policy.Set, complain func(string)) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	set := now()          // in turn: the last one who loads has the newest
	homes := s.homes(set) // it may take long
	s.loading.Lock()
	defer s.loading.Unlock()
	stamp := s.look() + sum(homes)
	next := s.last
	keys, broken, wrong, kerr := s.keysOf(set)
	if kerr == nil {
		next.keys = keys
	}
	authorities, aerr := s.read(s.config.Authorities, identity.MaxKeysFile, func(data []byte) ([]*identity.SSHKey, error) {
		return identity.ParseSSHKeys(data, "", s.config.Authorities)
	})
	if aerr == nil {
		next.authorities = authorities
	} else {
		aerr = fmt.Errorf("the authorities of the ssh door: %w", aerr)
	}
	_, rerr := s.read(s.config.Revoked, maxRevokedFile, func(data []byte) ([]*identity.SSHKey, error) {
		revoked, err := identity.ParseSSHRevoked(data, s.config.Revoked)
		if err != nil { // what was understood takes away, and nothing is given back
			revoked = s.last.revoked.With(revoked)
		}
		next.revoked = revoked
		return nil, err
	})
	if rerr != nil {
		rerr = fmt.Errorf("the revoked keys of the ssh door: %w", rerr)
	}
	terr := s.loadTOTP(set, &wrong)
	wrong = append(wrong, s.pam.behindWrong(set)...)
	all := set.SSHKeys()
	files, theirs := identity.Unclaimed(all, next.keys, s.keys.Load())
	wrong = append(wrong, theirs...)
	for _, k := range files {
		if set.IsPerson(k.Person()) {
			all = append(all, k)
		}
	}
	all = append(all, s.ofAccounts(all, homes, broken, complain)...)
	table, twice := identity.NewSSHKeys(all, next.authorities, next.revoked, set.IsPerson)
	s.keys.Store(table)
	s.last, s.stamp = next, stamp
	for _, w := range append(wrong, twice...) {
		complain("ssh door: " + w.Error())
	}
	s.broken = errors.Join(kerr, aerr, rerr, terr, s.certify())
	return s.broken
}

// certify has the host key come with its certificate. While the file cannot be used the
// one before stays, as long as it is valid.
func (s *sshDoor) certify() error {
	if s.config.HostCertificate == "" || s.key == nil {
		return nil
	}
	_, err := s.read(s.config.HostCertificate, identity.MaxKeysFile, func(data []byte) ([]*identity.SSHKey, error) {
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, errors.New("the file is empty")
		}
		return nil, s.key.Certify(data, s.now())
	})
	if err != nil {
		return fmt.Errorf("the certificate of the host key, %s: %w", s.config.HostCertificate, err)
	}
	return nil
}

// wrong gives what keeps a list from being in force as it is.
func (s *sshDoor) wrong() error {
	if s == nil {
		return nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.broken
}

// read reads one list that nobody else may change; "" is an empty one.
func (s *sshDoor) read(path string, limit int64, parse func([]byte) ([]*identity.SSHKey, error)) ([]*identity.SSHKey, error) {
	if path == "" {
		return nil, nil
	}
	data, err := readKept(path, limit, kept)
	if err != nil {
		return nil, err
	}
	return parse(data)
}

// readKept reads a file that is kept as fits says, and that nobody else can put another in the place of.
func readKept(path string, limit int64, fits func(string, fs.FileInfo) error) ([]byte, error) {
	real, err := leads(path)
	if err != nil {
		return nil, err
	}
	// In a directory like /tmp it may be somebody else's, who puts a link to a file of ours there meanwhile.
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // what is no file is not waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file; name a regular one", path)
	}
	if err := fits(path, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}

// kept refuses what others could have written: whoever lists keys says who people
// are.
func kept(path string, info fs.FileInfo) error { return keepers().Info(path, info, trusted.Itself) }

// leads gives where a path leads, and refuses one on whose way others could put something: a file of ours in the
// place of another one, such as an empty one in that of what is revoked. There a group may write that is one
// account's alone, as in homes. What the path leads to is judged by who opens that, and follows no link there.
func leads(path string) (string, error) {
	return keepers().Groups(accounts.System()).Way(path, trusted.Apart)
}

func keepers() trusted.Who {
	return trusted.Root().And(uint32(os.Geteuid()), "the account that muxward runs as")
}

// keysOf reads the directory of NAME.keys. One person's broken file takes nobody
// else's keys away; wrong tells of it, and broken whose it is.
func (s *sshDoor) keysOf(set *policy.Set) (keys []*identity.SSHKey, broken map[string]bool, wrong []error, err error) {
	broken = map[string]bool{}
	dir := s.config.Keys
	if dir == "" {
		return nil, nil, nil, nil
	}
	var info fs.FileInfo
	real, err := leads(dir)
	if err == nil {
		info, err = os.Lstat(real)
	}
	if err == nil {
		err = kept(dir, info)
	}
	var entries []fs.DirEntry
	if err == nil {
		entries, err = os.ReadDir(real)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the keys of the ssh door: %w", err)
	}
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".keys")
		if !is || strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if !set.IsPerson(name) {
			wrong = append(wrong, fmt.Errorf("%s: there is no person %q in people.yaml: its keys prove nobody", path, name))
			continue
		}
		more, err := s.read(path, identity.MaxKeysFile, func(data []byte) ([]*identity.SSHKey, error) {
			return identity.ParseSSHKeys(data, name, path)
		})
		if err != nil {
			broken[name] = true
			wrong = append(wrong, fmt.Errorf("the keys of %s are not taken: %w", name, err))
			continue
		}
		keys = append(keys, more...)
	}
	return keys, broken, wrong, nil
}

// look sums up the lists without reading them.
func (s *sshDoor) look() string {
	var b strings.Builder
	paths := []string{s.config.Authorities, s.config.Revoked, s.config.HostCertificate, s.config.TOTP, s.config.Keys}
	if s.config.Keys != "" {
		entries, _ := os.ReadDir(s.config.Keys) // that it cannot be read is told of the directory
		for _, e := range entries {
			paths = append(paths, filepath.Join(s.config.Keys, e.Name()))
		}
	}
	for _, p := range paths {
		if p == "" {
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			fmt.Fprintf(&b, "%q %v\n", p, err)
			continue
		}
		st, _ := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%q %d %d %v %d %d\n", p, st.Ino, info.Size(), info.Mode(), info.ModTime().UnixNano(), st.Ctim.Nano())
	}
	return b.String()
}

// reload puts the lists in force anew, and ends what rests on what is gone from
// them. Of a broken one what was read last stays, with an alarm.
func (s *sshDoor) reload(ctx context.Context, d *daemon) {
	if s == nil {
		return
	}
	if err := s.load(d.policy.Set, d.complain); err != nil {
		d.event(access.EventReload, "ssh door: refused, what was read last of it stays in force: "+err.Error())
		fmt.Fprintf(os.Stderr, "muxward: these lists of the ssh door were NOT loaded, what was read last of them stays in force:\n%v\n", err)
	}
	for _, wrong := range d.lentWrong() {
		d.complain("by an sshd of the host: " + wrong)
	}
	s.reconsider(ctx, d)
}

// reconsider ends what rests on keys that are not taken any more.
func (s *sshDoor) reconsider(ctx context.Context, d *daemon) {
	ends := map[string]ending{"by an sshd of the host": d.tickets.Reconsider}
	if len(s.ls) > 0 {
		ends["ssh door"] = s.server.Reconsider
	}
	endAll(ctx, ends, d.complain)
	if err := d.keyboards.VoidSuggestions(ctx, keyboard.VoidTime); err != nil { // who has gone has taken back what they suggested
		d.complain("keys are not taken any more: " + err.Error())
	}
}

// ending ends what is not taken any more and waits until it has ended; the errors tell
// of what is not confirmed when ctx ends.
type ending func(ctx context.Context) []error

// endAll does all of them at once, each with a time of its own: nobody stays because
// somebody elsewhere does not go.
func endAll(ctx context.Context, ends map[string]ending, complain func(string)) {
	var wg sync.WaitGroup
	for where, end := range ends {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, drainTime)
			defer cancel()
			for _, err := range end(ctx) {
				complain(where + ": not confirmed: " + err.Error())
			}
		})
	}
	wg.Wait()
}

// reloadChanged is reload if something has changed. Keys are looked at in any case:
// time may have passed that no timer has seen.
func (s *sshDoor) reloadChanged(ctx context.Context, d *daemon) {
	if s == nil {
		return
	}
	if s.same(d.policy.Set()) {
		s.reconsider(ctx, d)
	} else {
		s.reload(ctx, d)
	}
}

// same reports whether the lists are as they were read last.
func (s *sshDoor) same(set *policy.Set) bool {
	s.turn.Lock()
	defer s.turn.Unlock()
	now := s.look() + sum(s.homes(set))
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.stamp == now
}

// start lets people in.
func (s *sshDoor) start(d *daemon) {
	if s == nil || len(s.ls) == 0 {
		return
	}
	d.wg.Go(func() {
		if err := s.server.Serve(d.ctx, s.ls...); err != nil {
			d.fail(fmt.Errorf("ssh door: %w", err))
		}
	})
}

// leave has who comes from now on wait for the muxward that is started next, where the sockets
// stay without us.
func (s *sshDoor) leave(d *daemon) {
	if s != nil && len(d.sockets) > 0 {
		s.server.Leave(s.ls...)
	}
}

func (s *sshDoor) close() {
	if s == nil {
		return
	}
	for _, l := range s.ls {
		_ = l.Close()
	}
}

func (s *sshDoor) wait() {
	if s != nil && len(s.ls) > 0 {
		s.server.Wait()
	}
}

func (s *sshDoor) serving() *config.ServingSSH {
	if s == nil || len(s.ls) == 0 {
		return nil
	}
	return &config.ServingSSH{Addr: s.ls[0].Addr().String(), Fingerprint: s.server.Key.Fingerprint(),
		HostKey: s.server.Key.Public(), Authority: s.server.Key.Authority(), TOTP: s.config.TOTP}
}

// announce says where the door is, and what to trust there.
func (s *sshDoor) announce() {
	if s == nil || len(s.ls) == 0 {
		return
	}
	addr, port, _ := net.SplitHostPort(s.ls[0].Addr().String()) // of a listener there is one
	key, name := s.server.Key, sshd.ReachedBy(addr)
	fmt.Printf("the ssh door is at %s, host key %s\n", s.ls[0].Addr(), key.Fingerprint())
	for _, l := range s.ls[1:] {
		fmt.Printf("and at %s\n", l.Addr())
	}
	if v := key.Validity(); v != "" {
		fmt.Printf("the host key is certified %s\n", v)
	}
	if key.New {
		fmt.Printf("the host key is new; for known_hosts:\n%s\nor for DNS:\n%s\n",
			key.KnownHosts(port, name), key.SSHFP(name))
	}
}
