package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/privsep/holder"
	"github.com/muxward/muxward/internal/siblings"
)

// saveServing writes into RUN, which is root's, where muxward serves. Commands of others than
// its account go by that: the state directory is the account's. Of what stands in it only the
// ssh door's port can be muxward's word, where the configuration leaves that open.
func (s *setting) saveServing(ctx context.Context, pid int, keys keyHolder, addr string) error {
	at := config.Serving{PID: pid, Ctl: filepath.Join(s.config.Run(), "ctl"), Doors: s.config.Doors, Policy: s.config.Policy,
		State: s.config.State, File: s.config.File, Tmux: s.tmux, Account: s.account.Name}
	if listen := s.config.SSH.Listen; listen != "" {
		if err := listens(listen, addr); err != nil {
			return refusal{err}
		}
		public, err := keys.Public(ctx)
		if err != nil {
			return err
		}
		at.SSH = &config.ServingSSH{Addr: addr, Authority: authority(s.config.SSH.HostCertificate), TOTP: s.config.SSH.TOTP}
		at.SSH.HostKey, at.SSH.Fingerprint = holder.Public(public.Host)
	} else if addr != "" {
		return refusal{errors.New("there is no ssh door in the configuration")}
	}
	if err := at.Save(s.config.Run()); err != nil {
		return fmt.Errorf("write down where muxward serves: %w", err)
	}
	return nil
}

// listens refuses an address that the configuration does not mean.
func listens(configured, addr string) error {
	is, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("%.80q is no address", addr)
	}
	host, port, err := net.SplitHostPort(configured)
	if err != nil {
		return err
	}
	want, err := netip.ParseAddr(host)
	if err == nil && !want.IsUnspecified() && is.Addr().WithZone("").Unmap() != want.WithZone("").Unmap() { // the zone is the kernel's word
		return fmt.Errorf("%s is not %s", addr, configured)
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n != 0 && n != int(is.Port()) {
		return fmt.Errorf("%s is not the port of %s", addr, configured)
	}
	return nil
}

// maxCert bounds a host certificate.
const maxCert = 64 << 10

// authority is the key that has certified the host key, where root has put that.
func authority(path string) string {
	if path == "" {
		return ""
	}
	path, err := siblings.Real(path)
	if err != nil {
		return ""
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxCert {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return holder.Authority(data)
}
