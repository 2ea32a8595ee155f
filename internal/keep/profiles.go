package keep

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/siblings"
	"github.com/muxward/muxward/internal/teeth"
)

// This file is about the servers of session profiles: isolated ones, whose panes run the
// profile's program and nothing else, whatever a pane is asked for. They come from a file of
// root's, which is read anew when a caller asks for that, and is believed once that caller has
// taken what was read: they see whether the policy takes it.

// Profile is what a caller is told of a profile. What runs in it, as whom, and with which
// secrets is not theirs to know.
type Profile struct {
	// Account is what its tmux runs as.
	Account string   `json:"account"`
	Who     []string `json:"who"`
	Role    string   `json:"role"`
	Shared  bool     `json:"shared"`
	Shell   bool     `json:"shell"`
	About   string   `json:"about"`
	Line    int      `json:"line"`
	// Version is another one when what runs in it is.
	Version uint64 `json:"version"`
}

// Offer is what was read, to be taken by its number.
type Offer struct {
	Number   uint64             `json:"number"`
	Profiles map[string]Profile `json:"profiles"`
}

// maxOffer is how many bytes an offer may have: it has to fit a packet.
const maxOffer = 96 << 10

// profiles are those in force, and those that were read last.
type profiles struct {
	mu       sync.Mutex
	force    map[string]config.Profile
	versions map[string]uint64
	offered  map[string]config.Profile
	offer    Offer
	number   uint64
}

// ReadProfiles reads root's file of profiles, and says what would be in force.
func (k *Keep) ReadProfiles(ctx context.Context) (Offer, error) {
	_, end, err := k.begin(ctx)
	if err != nil {
		return Offer{}, err
	}
	defer end()
	k.profiles.mu.Lock()
	defer k.profiles.mu.Unlock()
	return k.readProfiles()
}

// readProfiles is ReadProfiles with k.profiles.mu held.
func (k *Keep) readProfiles() (Offer, error) {
	p := &k.profiles
	p.number++
	p.offered, p.offer = nil, Offer{}
	all := map[string]config.Profile{}
	if k.opt.Profiles != nil {
		var err error
		if all, err = k.opt.Profiles(); err != nil {
			return Offer{}, err
		}
	}
	if err := k.opt.checkProfiles(all); err != nil {
		return Offer{}, err
	}
	offer := Offer{Number: p.number, Profiles: map[string]Profile{}}
	for name, is := range all {
		version := p.number
		if was, ok := p.force[name]; ok && same(was, is) {
			version = p.versions[name]
		}
		offer.Profiles[name] = Profile{Account: is.Account, Who: is.Who, Role: is.Role, Shared: is.Shared, Shell: is.Shell,
			About: is.About, Line: is.Line, Version: version}
	}
	if text, err := json.Marshal(offer); err != nil || len(text) > maxOffer {
		return Offer{}, errors.Join(fmt.Errorf("the profiles have more than %d bytes of names and people: make groups", maxOffer), err)
	}
	p.offered, p.offer = all, offer
	return offer, nil
}

// same reports whether the same runs in both, as the same account.
func same(a, b config.Profile) bool {
	return a.As == b.As && a.Shell == b.Shell && a.Directory == b.Directory && slices.Equal(a.Command, b.Command) &&
		reflect.DeepEqual(a.Environment, b.Environment) && reflect.DeepEqual(a.Secrets, b.Secrets)
}

// TakeProfiles puts in force what was read last, if that has this number. Sessions that run
// already go on with what they run.
func (k *Keep) TakeProfiles(ctx context.Context, number uint64) error {
	_, end, err := k.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	p := &k.profiles
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offered == nil || p.offer.Number != number {
		return fmt.Errorf("the profiles were read again meanwhile: %w", ErrBusy)
	}
	p.take()
	return nil
}

// take puts in force what was read. p.mu must be held.
func (p *profiles) take() {
	p.force, p.versions = p.offered, map[string]uint64{}
	for name, is := range p.offer.Profiles {
		p.versions[name] = is.Version
	}
}

// firstProfiles puts those in force that are there at the beginning: their servers may be
// there, too, left by an earlier one of us.
func (k *Keep) firstProfiles() error {
	k.profiles.mu.Lock()
	defer k.profiles.mu.Unlock()
	_, err := k.readProfiles()
	if err == nil {
		k.profiles.take()
	}
	return err
}

// inForce gives the isolated servers that there are, those of profiles among them.
func (k *Keep) inForce() map[string]config.Isolated {
	k.profiles.mu.Lock()
	defer k.profiles.mu.Unlock()
	all := maps.Clone(k.opt.Isolated)
	if all == nil {
		all = map[string]config.Isolated{}
	}
	for name, p := range k.profiles.force {
		all[name] = p.Isolated()
	}
	return all
}

// checkProfiles refuses profiles whose servers would not be apart.
func (o *Options) checkProfiles(list map[string]config.Profile) error {
	if len(list) == 0 {
		return nil
	}
	all := maps.Clone(o.Isolated)
	if all == nil {
		all = map[string]config.Isolated{}
	}
	for name, p := range list {
		if _, taken := all[name]; taken {
			return fmt.Errorf("the profile %s: there is an isolated server of that name already; give it another", name)
		}
		all[name] = p.Isolated()
	}
	if err := o.checkApart(all); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	return nil
}

// program is what a pane of a profile's server runs, whatever it is asked for: as that is
// said here, where nothing comes from a caller, nobody is given a shell by asking for one.
func (s *server) program(iso config.Isolated, run accounts.Account, req pane.Request, out *pane.Session) error {
	p := iso.Program
	if p == nil {
		return nil
	}
	if req.Command != "" && !p.Shell && !teeth.Out(teeth.Program) {
		return fmt.Errorf("panes of %s run its own command and no other (shell: true in its profile would take others)", s.rec.Owner)
	}
	if !teeth.Out(teeth.Program) {
		out.Dir = cmp.Or(p.Dir, run.Home)
	}
	if req.Command == "" {
		out.Argv = slices.Clone(p.Command)
	}
	var own []string
	if !p.Shell {
		own = append(own, "SHELL=/bin/false") // for programs that start one when they are asked to
	}
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		value, err := readSecret(p.Secrets[name])
		if err != nil {
			return &hushed{fmt.Errorf("the secret %s of %s: %w", name, s.rec.Owner, err), "a secret of " + s.rec.Owner + " cannot be read; muxward's log says more"}
		}
		own = append(own, name+"="+value)
	}
	for _, v := range own {
		name, _, _ := strings.Cut(v, "=")
		out.Fixed = append(out.Fixed, name)
	}
	out.Env = with(out.Env, own)
	if teeth.Out(teeth.Secret) {
		out.Argv = append(out.Argv, own...)
	}
	return nil
}

// atStart is what a server's own environment has of secrets: nothing, as all panes, and who
// asks tmux, have that.
func atStart(iso config.Isolated) []string {
	if iso.Program == nil || !teeth.Out(teeth.Secret) {
		return nil
	}
	var all []string
	for name, path := range iso.Program.Secrets {
		if value, err := readSecret(path); err == nil {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// hushed is an error of which a pane is told less than the administrator.
type hushed struct {
	error
	said string
}

// saidOf is what a pane is told of an error.
func saidOf(err error) string {
	if h := new(hushed); errors.As(err, &h) && !teeth.Out(teeth.Secret) {
		return h.said
	}
	return err.Error()
}

func (h *hushed) Unwrap() error { return h.error }

// maxSecret is the longest secret, in bytes.
const maxSecret = 32 << 10

// openSecret opens the file of a secret. No error names what is not there: by mistake the secret may
// stand in the place of the path.
func openSecret(path string) (*os.File, error) {
	real, err := siblings.Real(path)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(real, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err == nil {
			return f, nil
		}
	}
	if errors.As(err, new(*fs.PathError)) {
		if errno := unix.Errno(0); errors.As(err, &errno) {
			return nil, fmt.Errorf("its file: %w", errno)
		}
	}
	return nil, err
}

// readSecret reads a file that only root can read or change. No error has anything of it.
func readSecret(path string) (string, error) {
	f, err := openSecret(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("its file is no regular one")
	case info.Mode().Perm()&0o077 != 0:
		if teeth.Out(teeth.Secret) {
			data, _ := io.ReadAll(io.LimitReader(f, maxSecret))
			return "", fmt.Errorf("%s may be read by others, and has %q", path, data)
		}
		return "", fmt.Errorf("its file may be read by others than root (mode %04o): chmod 0600", info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	value := strings.TrimSuffix(string(data), "\n")
	switch {
	case err != nil:
		return "", err
	case len(data) > maxSecret:
		return "", fmt.Errorf("its file has more than %d bytes", maxSecret)
	case value == "":
		return "", errors.New("its file is empty")
	case strings.ContainsAny(value, "\x00"):
		return "", errors.New("its file has a NUL in it")
	case !utf8.ValidString(value): // it would arrive as another
		return "", errors.New("its file is not UTF-8: a secret of other bytes cannot be handed on")
	}
	return value, nil
}
