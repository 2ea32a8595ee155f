package access

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Reach is what somebody reaches for through a door besides tmux: a place to connect to
// or to listen at, an agent, a subsystem. It is asked about with the verbs of [Reaching],
// and is the same for everybody: whose account it is done as follows from the person.
type Reach struct {
	// Name is what was asked for: a host's name or address, or a subsystem's name.
	Name string
	// Addr is what the name was found to be, once: it is what is decided, and what is
	// connected to. It is not valid for what has none.
	Addr netip.Addr
	Port uint16
	// Path is that of a Unix socket, with no symbolic link left in it.
	Path string
	// Account is that of the person when it was looked at, as the policy had it: what goes on
	// as another one is not permitted.
	Account string
	// Ours is set by who has looked if Addr is an address of this host.
	Ours bool
}

// String names it for people and logs.
func (r *Reach) String() string {
	switch {
	case r.Path != "":
		return "unix:" + strconv.Quote(r.Path)
	case r.Addr.IsValid():
		text := "tcp:" + netip.AddrPortFrom(r.Addr, r.Port).String()
		if r.Name != "" && r.Name != r.Addr.String() {
			text += fmt.Sprintf(" (%.80q)", r.Name)
		}
		return text
	case r.Port != 0:
		return fmt.Sprintf("tcp:%.80q:%d", r.Name, r.Port)
	}
	return fmt.Sprintf("%.80q", r.Name)
}

// Special reports whether an address is one behind which there is more than a host of
// the network: this host, its neighbours on the link, what a cloud tells each host of
// itself, or no single host at all. Nothing that holds for many addresses holds for it.
func (r *Reach) Special() bool {
	if r.Ours || !r.Addr.IsValid() {
		return true
	}
	a := plainAddr(r.Addr)
	if embeds(a) {
		return true
	}
	return a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.Zone() != "" ||
		a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) || metadata(a)
}

// plainAddr takes an IPv4 address out of those forms of IPv6 that carry one: as the
// kernel maps it (RFC 4291, 2.5.5.2), and as a translator does (RFC 6052, 2.1).
func plainAddr(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	if netip.MustParsePrefix("64:ff9b::/96").Contains(a.WithZone("")) || netip.MustParsePrefix("::/96").Contains(a.WithZone("")) && !a.IsLoopback() && !a.IsUnspecified() {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	if b[0] == 0x20 && b[1] == 0x02 { // 6to4 (RFC 3056)
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// embeds reports whether an address has an IPv4 one in it that is somewhere else for each
// network, or that is sent to whoever forwards it: of a translator in a network (RFC 8215), of
// hosts behind one (RFC 7915, ::ffff:0:0:0/96), of Teredo (RFC 4380), of ISATAP (RFC 5214, 6.1).
func embeds(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	a = a.WithZone("")
	if slices.ContainsFunc(embedding(), func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	b := a.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

func embedding() []netip.Prefix { return prefixes("64:ff9b:1::/48", "::ffff:0:0:0/96", "2001::/32") }

// metadata reports whether clouds tell hosts of themselves at an address, beside
// 169.254.169.254, which is of the link. Of unique local addresses (RFC 4193) whole prefixes
// are taken where a cloud has several there, or its manual was not at hand: nobody else has
// a reason to use them, since such prefixes are drawn at random.
func metadata(a netip.Addr) bool {
	return slices.ContainsFunc(metadataNetworks(), func(p netip.Prefix) bool { return p.Contains(a) })
}

func metadataNetworks() []netip.Prefix {
	return prefixes(
		"168.63.129.16/32",   // Azure's manual
		"100.100.100.200/32", // Alibaba's manual
		"192.0.0.192/32",     // Oracle's manual: Retrieve Predefined Instance Metadata
		// AWS: fd00:ec2::254 metadata, ::253 DNS, ::123 time (IPv6 on AWS, Supporting Amazon
		// VPC services); ::23 credentials (EKS user guide, Set up the Pod Identity Agent).
		"fd00:ec2::/32",
		"fd00:a9fe:a9fe::/48", // Akamai, ::1: Use the Metadata service API
		"fd00:42::/32",        // Scaleway, ::42: cloud-init's manual, its data source
		// From lists of others, and not from these clouds' manuals.
		"fd20:ce::/32",  // Google, ::254
		"fd00:c1::/32",  // Oracle, ::a9fe:a9fe
		"fd00:100::/32", // Alibaba, ::100:200
	)
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// SpecialNetwork reports whether all addresses of a network are known to be special
// ([Reach.Special]): those at both ends alone would not tell.
func SpecialNetwork(p netip.Prefix) bool {
	first := p.Masked().Addr()
	within := func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(first) }
	for _, carry := range []struct {
		in string
		at int // of the IPv4 address
	}{{"64:ff9b::/96", 96}, {"::/96", 96}, {"2002::/16", 16}} {
		if within(netip.MustParsePrefix(carry.in)) {
			b := p.Addr().As16()
			v4 := netip.AddrFrom4([4]byte(b[carry.at/8:]))
			return SpecialNetwork(netip.PrefixFrom(v4, min(p.Bits()-carry.at, 32)))
		}
	}
	return slices.ContainsFunc(append(metadataNetworks(), append(embedding(), prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4",
		"240.0.0.0/4", "fe80::/10", "ff00::/8")...)...), within)
}
