package tmuxd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// lent reports whether somebody is here by an account that is not theirs.
func lent(who identity.Identity) bool {
	_, own := who.UID()
	return !own && !who.IsNobody()
}

// lend takes out of what a client says of itself what is the account's that it runs as,
// if that is not the person's: their own server is to hear nothing of it. What is left
// is about their terminal. That a forced command began it concerns nobody's panes.
func (s *Server) lend(who identity.Identity, h *wire.Hello) {
	keep := func(name string) bool { return name != identity.ForcedMark }
	if lent(who) {
		keep = func(name string) bool {
			return name == "TERM" || name == "COLORTERM" || name == "LANG" || name == "SSH_CONNECTION" || strings.HasPrefix(name, "LC_")
		}
		h.Cwd = "/"
		if s.Home != nil {
			if dir := s.Home(who.Person()); strings.HasPrefix(dir, "/") {
				h.Cwd = dir
			}
		}
	}
	h.Env = slices.DeleteFunc(h.Env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return !keep(name)
	})
}

// place has whoever is known stay, and somebody who is lent an account take a place of their own, and none of those
// of all who are lent it.
func (s *Server) place(who identity.Identity, v *visit) error {
	if who.IsNobody() {
		return nil
	}
	if !lent(who) {
		v.stand(crowd.Here)
		return nil
	}
	c, err := s.lent.Enter(who.Person(), "", staying(), crowd.Here, nil)
	if err != nil {
		return fmt.Errorf("you have %d clients here already, or everybody has %d: end some", perUIDAll, totalAll)
	}
	v.here.change(c.Leave)
	return nil
}

// holder is whose what is held of a client is.
func holder(who identity.Identity, uid uint32) string {
	if lent(who) {
		return "person " + who.Person()
	}
	return "uid " + strconv.FormatUint(uint64(uid), 10)
}
