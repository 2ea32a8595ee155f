package sshd

import (
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Addresses of this host are those that the kernel takes, on an interface or not.
func TestOurs(t *testing.T) {
	for text, want := range map[string]bool{"127.0.0.1": true, "127.9.9.9": true, "::ffff:127.0.0.1": true} {
		if got := ours(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if os.Getuid() != 0 {
		tmuxtest.Skip(t, "a network namespace takes root")
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		runtime.LockOSThread() // and never let go: it is in another namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		lo, err := unix.NewIfreq("lo")
		if err != nil {
			t.Error(err)
			return
		}
		lo.SetUint16(unix.IFF_UP)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
			t.Error(err)
			return
		}
		add := func(prefix string, kind uint8) {
			p := netip.MustParsePrefix(prefix)
			rt := unix.RtMsg{Family: family(p.Addr()), Dst_len: uint8(p.Bits()), Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC, Type: kind, Scope: unix.RT_SCOPE_LINK}
			if kind == unix.RTN_LOCAL {
				rt.Table, rt.Scope = unix.RT_TABLE_LOCAL, unix.RT_SCOPE_HOST
			}
			if _, err := asked(routeMessage(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_ACK, rt,
				map[uint16][]byte{unix.RTA_DST: p.Addr().AsSlice(), unix.RTA_OIF: {1, 0, 0, 0}})); err != nil {
				t.Errorf("add %s: %v", prefix, err)
			}
		}
		add("10.99.0.0/16", unix.RTN_LOCAL)
		add("2001:db8:7::/96", unix.RTN_LOCAL)
		add("10.98.0.0/16", unix.RTN_UNICAST)
		for text, want := range map[string]bool{"10.99.3.4": true, "2001:db8:7::42": true, "::ffff:10.99.1.1": true,
			"10.98.1.1": false, "192.0.2.1": false, "2001:db8:8::1": false} {
			if got := ours(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s: %v", text, got)
			}
		}
	}()
	<-over
}
