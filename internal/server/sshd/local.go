package sshd

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// uidOf asks the kernel whose the other end of a connection of this host is: the
// account that made that socket. It tells no process, and it proves nobody; many
// accounts share this host's addresses, and need not share what they pay.
func uidOf(peer, here netip.AddrPort) (uid uint32, ok bool) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	limit := unix.NsecToTimeval(int64(100 * time.Millisecond)) // the kernel answers at once
	if unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit) != nil ||
		unix.Sendto(fd, diagRequest(peer, here), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return 0, false
	}
	buf := make([]byte, 4<<10)
	n, from, err := unix.Recvfrom(fd, buf, 0)
	if kernel, is := from.(*unix.SockaddrNetlink); err != nil || !is || kernel.Pid != 0 {
		return 0, false
	}
	const at = unix.SizeofNlMsghdr + 64 // in struct inet_diag_msg
	if n < at+4 || binary.NativeEndian.Uint16(buf[4:]) != sockDiagByFamily {
		return 0, false // an error: the other end has gone, or is elsewhere
	}
	return binary.NativeEndian.Uint32(buf[at:]), true
}

const sockDiagByFamily = 20

// diagRequest is a struct inet_diag_req_v2 for one socket, as a message.
func diagRequest(peer, here netip.AddrPort) []byte {
	from, to := peer.Addr().Unmap(), here.Addr().Unmap()
	const size = unix.SizeofNlMsghdr + 56
	m := binary.NativeEndian.AppendUint32(nil, size)
	m = binary.NativeEndian.AppendUint16(m, sockDiagByFamily)
	m = binary.NativeEndian.AppendUint16(m, unix.NLM_F_REQUEST)
	m = append(m, make([]byte, 8)...) // sequence, port
	family := byte(unix.AF_INET6)
	if from.Is4() {
		family = unix.AF_INET
	}
	m = append(m, family, unix.IPPROTO_TCP, 0, 0, 0xff, 0xff, 0xff, 0xff) // in any state
	m = binary.BigEndian.AppendUint16(m, peer.Port())
	m = binary.BigEndian.AppendUint16(m, here.Port())
	for _, a := range []netip.Addr{from, to} {
		field := make([]byte, 16)
		copy(field, a.AsSlice())
		m = append(m, field...)
	}
	return append(m, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // any interface, any cookie
}
