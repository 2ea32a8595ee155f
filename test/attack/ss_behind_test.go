package attack

import (
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Somebody has alice's key, and somebody else her password, where each is to be proved behind the other:
// they want to come in with what they have.
func TestSSHalfOfTwoFactors(t *testing.T) {
	t.Parallel()
	row{ssh: true, pam: "auth required pam_unix.so\naccount required pam_unix.so\n", sshMore: "pam_behind_keys: true",
		teeth: "teeth_pam", unlogged: true, gains: 2, attack: func(w *world) {
			if r := w.SSH(owner, "-b", "127.0.7.1", "x@127.0.0.1", "ls"); r.Code == 0 {
				w.gain("by her key: %s", r.Out)
			}
			if c, err := w.DialPassword(owner, &host.Talk{From: "127.0.7.2", Answers: []string{host.Password}}); err == nil {
				w.gain("by her password")
				_ = c.Close()
			}
		}}.run(t)
}
