package acts

import (
	"testing"
	"time"
)

func TestHolding(t *testing.T) {
	for _, tt := range []struct{ what, want string }{
		{"typist", "bob is typist"}, {"type", "bob may type"}, {"view,type", "bob may view,type"},
	} {
		if got := Holding("bob", tt.what); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

func TestBriefly(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"30m": 30 * time.Minute, "2h": 2 * time.Hour, "1h30m": 90 * time.Minute, "10s": 10 * time.Second,
		"20m5s": 20*time.Minute + 5*time.Second, "0s": 0, "100h": 100 * time.Hour, "1h0m5s": time.Hour + 5*time.Second,
	} {
		if got := Briefly(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
		if back, err := time.ParseDuration(Briefly(d)); err != nil || back != d {
			t.Errorf("%v is read back as %v, %v", d, back, err)
		}
	}
}

// People are told it in short; of what is no time nobody is told another.
func TestLasts(t *testing.T) {
	for of, want := range map[string]string{"30m0s": "30m", "1h0m0s": "1h", "90s": "1m30s", "soon": "soon", "": ""} {
		if got := (ShownRequest{For: of}).Lasts(); got != want {
			t.Errorf("%q: %q, want %q", of, got, want)
		}
	}
}
