package sshd

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// ours reports whether an address is one of this host: what the kernel itself would take,
// which is more than what interfaces have (routes of type local, as clouds' agents and load
// balancers set up for whole networks; ip-route(8)). Where that cannot be told it is.
func ours(a netip.Addr) bool {
	kind, err := routeType(a.Unmap())
	switch {
	case errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH): // there is none: the answer, and no failure
		return false
	case err != nil:
		return true
	}
	return kind != unix.RTN_UNICAST
}

// routeMessage is a message of rtnetlink(7) about the route to a network.
func routeMessage(kind, flags uint16, rt unix.RtMsg, attrs map[uint16][]byte) []byte {
	b := make([]byte, unix.SizeofNlMsghdr, 128)
	b = append(b, rt.Family, rt.Dst_len, rt.Src_len, rt.Tos, rt.Table, rt.Protocol, rt.Scope, rt.Type)
	b = binary.NativeEndian.AppendUint32(b, rt.Flags)
	for key, value := range attrs { // of 4 or 16 bytes: there is nothing to align
		b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
		b = binary.NativeEndian.AppendUint16(b, key)
		b = append(b, value...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|flags)
	return b
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// routeType asks the kernel how it would send to an address: RTN_LOCAL and so on.
func routeType(a netip.Addr) (uint8, error) {
	rt := unix.RtMsg{Family: family(a), Dst_len: uint8(a.BitLen())}
	answer, err := asked(routeMessage(unix.RTM_GETROUTE, 0, rt, map[uint16][]byte{unix.RTA_DST: a.AsSlice()}))
	if err != nil {
		return 0, err
	}
	for _, m := range answer {
		if m.Header.Type == unix.RTM_NEWROUTE && len(m.Data) >= unix.SizeofRtMsg && m.Data[0] == rt.Family {
			return m.Data[7], nil // rtm_type
		}
	}
	return 0, errors.New("the kernel tells no route")
}

// asked has the kernel answer a message. It does so while it is sent, so nothing waits.
func asked(message []byte) ([]syscall.NetlinkMessage, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 8<<10)
	n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
	if err != nil {
		return nil, err
	}
	answer, err := syscall.ParseNetlinkMessage(buf[:n])
	if err != nil {
		return nil, err
	}
	for _, m := range answer {
		if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
			if e := int32(binary.NativeEndian.Uint32(m.Data)); e != 0 {
				return nil, unix.Errno(-e)
			}
		}
	}
	return answer, nil
}
