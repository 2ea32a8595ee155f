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
