package keep

import (
	"fmt"
	"testing"
)

func TestOtherMounts(t *testing.T) {
	text := `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:25 / /run rw - tmpfs tmpfs rw
31 22 0:25 /muxward /srv/a rw - tmpfs tmpfs rw
32 22 0:25 /muxward/servers/12345678/s /srv/b\040c rw - tmpfs tmpfs rw
33 22 0:25 /muxward/serversx /srv/d rw - tmpfs tmpfs rw
34 22 0:26 /muxward/servers /srv/e rw - tmpfs tmpfs rw
35 22 0:25 /muxward/servers /srv/f rw - tmpfs tmpfs rw
rubbish
`
	got := otherMounts(parseMounts([]byte(text)), "0:25", "/run/muxward/servers")
	want := []mount{{"0:25", "/muxward/servers/12345678/s", "/srv/b c"}, {"0:25", "/muxward/servers", "/srv/f"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := otherMounts(parseMounts([]byte(text)), "0:99", "/run/muxward/servers"); got != nil {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"00000000","owner":"a","pid":1,"mark":"00000000000000000000000000000000"}`))
	f.Add([]byte("31 22 0:25 /a /b\\040c rw - tmpfs tmpfs rw\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseRecord(data); err == nil && (!validID(r.ID) || !validOwner(r.Owner) || r.PID < 0) {
			t.Errorf("%+v", r)
		}
		_ = otherMounts(parseMounts(data), "0:25", "/run/x")
	})
}
