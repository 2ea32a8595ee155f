package access

import (
	"net/netip"
	"testing"
)

// What clouds tell their hosts is nothing that holds for many addresses.
func TestMetadata(t *testing.T) {
	for text, want := range map[string]bool{
		"169.254.169.254": true, "168.63.129.16": true, "100.100.100.200": true, "192.0.0.192": true, "::ffff:100.100.100.200": true,
		"fd00:ec2::254": true, "fd00:ec2::253": true, "fd00:ec2::123": true, "fd00:ec2::23": true, "fd20:ce::254": true,
		"fd00:42::42": true, "fd00:c1::a9fe:a9fe": true, "fd00:a9fe:a9fe::1": true, "fd00:100::100:200": true,
		"64:ff9b:1::a9fe:a9fe": true, "::ffff:0:169.254.169.254": true, "2001:0:53aa:64c::1": true, "2001:db8::5efe:a9fe:a9fe": true,
		"2001:db8::200:5efe:a9fe:a9fe": true, "2001:4860:4860::8888": false, "64:ff9b::c000:201": false,
		"fd12:3456:789a::1": false, "192.0.2.1": false, "2001:db8::1": false,
	} {
		r := Reach{Addr: netip.MustParseAddr(text)}
		if r.Special() != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// A network is special if all of it is: what its ends are says nothing.
func TestSpecialNetwork(t *testing.T) {
	for text, want := range map[string]bool{
		"64:ff9b::/96": false, "::/96": false, "2002::/16": false, "0.0.0.0/0": false, "::/0": false, "126.0.0.0/7": false, "168.63.129.16/31": false,
		"64:ff9b::7f00:0/104": true, "2002:a9fe::/32": true, "2002:a9fe:a9fe::/48": true, "2002:a9fe:a9fe:1::/64": true, "2002:808::/32": false,
		"127.0.0.0/8": true, "127.1.0.0/16": true, "169.254.0.0/16": true, "224.0.0.0/3": false, "240.0.0.0/4": true, "fe80::/10": true,
		"fe00::/8": false, "ff02::/16": true, "fd00:ec2::/48": true, "64:ff9b:1::/48": true, "2001::/23": false, "10.0.0.0/8": false,
	} {
		p := netip.MustParsePrefix(text)
		if SpecialNetwork(p) != want {
			t.Errorf("%s: %v", text, !want)
		}
		for i := range 64 { // addresses in it
			b := p.Addr().AsSlice()
			for bit := p.Bits(); bit < 8*len(b); bit++ {
				if (i*2654435761>>(bit%29))&1 == 1 {
					b[bit/8] |= 0x80 >> (bit % 8)
				}
			}
			a, _ := netip.AddrFromSlice(b)
			if r := (Reach{Addr: a}); want && !r.Special() {
				t.Errorf("%s of %s is not special", a, text)
			}
		}
	}
}
