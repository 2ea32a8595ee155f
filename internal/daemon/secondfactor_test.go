package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
)

// TestReadTOTP: muxward reads secrets that nobody else can, and says how to make a file of them.
func TestReadTOTP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "totp")
	if err := os.WriteFile(path, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if keys, err := readTOTP(path); err != nil || len(keys.People()) != 0 {
		t.Errorf("nobody is in it: %v, %v", keys, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readTOTP(path); err == nil || !strings.Contains(err.Error(), "may be read by others") {
		t.Errorf("others can read it: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := readTOTP(path); err == nil || !strings.Contains(err.Error(), "ssh-totp add") {
		t.Errorf("it is not there: %v", err)
	}
}

// TestCodesFollowTheWall: when a clock that was ahead is set back, the codes of people's
// authenticators are taken at once, and each still once.
func TestCodesFollowTheWall(t *testing.T) {
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	path := filepath.Join(t.TempDir(), "totp")
	if err := os.WriteFile(path, []byte("bob "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := readTOTP(path)
	if err != nil {
		t.Fatal(err)
	}
	ahead := 10 * time.Minute
	d := &daemon{config: config.Config{State: t.TempDir()}}
	d.gateway = gateway.New(gateway.Parts{Now: func() time.Time { return time.Now().Add(ahead) }})
	s := &sshDoor{config: config.SSH{TOTP: path}}
	s.totp.Store(keys)
	codes := s.second(d)
	d.gateway.Time()
	ahead = 0
	if by := time.Until(d.gateway.Time()); by < 9*time.Minute {
		t.Fatalf("the gateway's time is ahead by %v: this shows nothing", by)
	}
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	says := func(string, string, []string, []bool) ([]string, error) { return []string{code}, nil }
	if err := codes.Ask("bob", says); err != nil {
		t.Errorf("a fresh code: %v", err)
	}
	if err := codes.Ask("bob", says); err == nil || !strings.Contains(err.Error(), "used") {
		t.Errorf("once more: %v", err)
	}
}
