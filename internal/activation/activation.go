package activation

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// first is the first descriptor that is passed (SD_LISTEN_FDS_START), and most how many we
// take: a unit of ours has one, or one for each address.
const (
	first = 3
	most  = 16
)

// variables are what the manager tells by, also in versions to come (sd_listen_fds(3)).
func variables() []string {
	return []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"}
}

// Socket is a TCP socket that listens, and where.
type Socket struct {
	File *os.File
	Addr netip.AddrPort
}

// Take gives the sockets that were passed to this process, none if there are none. The
// variables that tell of them are gone then, and the descriptors closed to programs that are
// started: nobody else takes them for theirs. What was passed to another process (LISTEN_PID) is
// not ours to look at.
func Take() ([]Socket, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for _, name := range variables() {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if pid != strconv.Itoa(os.Getpid()) || fds == "" || fds == "0" {
		return nil, nil
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS is %.40q, and should be how many sockets are passed: leave it to the service manager", fds)
	}
	return At(first, n, names...)
}

// At gives the sockets that this process has as n descriptors from one on.
func At(from, n int, names ...string) ([]Socket, error) {
	if n < 0 || n > most {
		return nil, fmt.Errorf("the service manager passes %d sockets, and at most %d are taken: leave some out of muxward.socket", n, most)
	}
	var out []Socket
	for i := range n {
		unix.CloseOnExec(from + i)
	}
	for i := range n {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		addr, err := look(from + i)
		if err != nil {
			Close(out)
			return nil, fmt.Errorf("the service manager passes descriptor %d (%.80q), which %w", from+i, name, err)
		}
		out = append(out, Socket{os.NewFile(uintptr(from+i), "ssh door"), addr})
	}
	return out, nil
}

// look says where a descriptor listens, or what it is in the place of a TCP socket that does.
func look(fd int) (netip.AddrPort, error) {
	var none netip.AddrPort
	is := map[int]int{}
	for _, what := range []int{unix.SO_DOMAIN, unix.SO_TYPE, unix.SO_PROTOCOL, unix.SO_ACCEPTCONN} {
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, what)
		if err != nil {
			return none, fmt.Errorf("is no socket (%w): a .socket unit of muxward has ListenStream= alone", err)
		}
		is[what] = v
	}
	switch {
	case is[unix.SO_DOMAIN] != unix.AF_INET && is[unix.SO_DOMAIN] != unix.AF_INET6:
		return none, errors.New("is no socket of IPv4 or IPv6: write ListenStream=PORT or ListenStream=ADDRESS:PORT")
	case is[unix.SO_TYPE] != unix.SOCK_STREAM:
		return none, errors.New("is no stream socket: write ListenStream=")
	case is[unix.SO_PROTOCOL] != unix.IPPROTO_TCP: // what confines processes knows nothing of MPTCP
		return none, errors.New("is no socket of TCP: leave out SocketProtocol=")
	case is[unix.SO_ACCEPTCONN] == 0:
		return none, errors.New("does not listen: write Accept=no, so that muxward is passed the socket and not a connection")
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return none, fmt.Errorf("does not say where it listens: %w", err)
	}
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)), nil
	case *unix.SockaddrInet6:
		// The zone counts for nothing here, nor where a configuration is compared with it.
		return netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port)), nil
	}
	return none, errors.New("listens at no address of TCP")
}

// Agree gives the address that a door is open at, with sockets passed for it, of which there
// is at least one, and has the socket with that one come first: what the configuration says; where
// it says none, that of the socket that lets in most. Where none is the one that is said, or another
// lets in more than that, it is an error: a door that is to be open to this host alone does not
// come to be open to all because a unit has the port only, or its own port besides.
func Agree(listen string, sockets []Socket) (string, error) {
	if listen == "" {
		widest := 0
		for i, s := range sockets {
			if wider(s, sockets[widest]) {
				widest = i
			}
		}
		sockets[0], sockets[widest] = sockets[widest], sockets[0]
		return sockets[0].Addr.String(), nil
	}
	i := slices.IndexFunc(sockets, func(s Socket) bool { return same(listen, s.Addr) })
	if i < 0 {
		var at []string
		for _, s := range sockets {
			at = append(at, s.Addr.String())
		}
		return "", fmt.Errorf("the ssh door is to listen at %q (ssh: listen), and systemd passes %s: "+
			"have both say the same, or leave listen out (systemctl edit muxward.socket)", listen, strings.Join(at, " and "))
	}
	sockets[0], sockets[i] = sockets[i], sockets[0]
	for _, s := range sockets[1:] {
		if wider(s, sockets[0]) {
			return "", fmt.Errorf("the ssh door is to listen at %q (ssh: listen), and systemd passes %s besides, which is open to more: "+
				"take that away (systemctl edit muxward.socket, with ListenStream= first), or leave listen out", listen, s.Addr)
		}
	}
	return listen, nil
}

// wider reports whether a socket is open to hosts that another is not open to: all addresses
// beside one of them, and what is not this host's alone beside what is.
func wider(s, than Socket) bool {
	a, b := s.Addr.Addr().Unmap(), than.Addr.Addr().Unmap()
	return a.IsUnspecified() && !b.IsUnspecified() || !a.IsLoopback() && b.IsLoopback()
}

// same reports whether a socket listens where it is said. No name is looked up for that.
func same(listen string, is netip.AddrPort) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n != int(is.Port()) {
		return false
	}
	if host == "" {
		return is.Addr().IsUnspecified()
	}
	want, err := netip.ParseAddr(host)
	return err == nil && want.WithZone("").Unmap() == is.Addr().Unmap()
}

// Files are the descriptors of the sockets, to be handed on.
func Files(sockets []Socket) (files []*os.File) {
	for _, s := range sockets {
		files = append(files, s.File)
	}
	return files
}

// Close closes this process's copies. What has come in waits for whoever has another.
func Close(sockets []Socket) {
	for _, s := range sockets {
		_ = s.File.Close()
	}
}
