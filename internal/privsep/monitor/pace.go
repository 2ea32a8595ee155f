package monitor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// How often passwords are asked about: an account's, and all accounts' together. PAM does not
// sleep behind a wrong one here, as muxward has everybody wait alike. One that was taken over has
// nobody wait.
const (
	accountBurst, accountRate = 16, 2 // at once, and then in each second
	allBurst, allRate         = maxLogins, 32
)

// pace counts logins by account and in all. The zero value is ready.
type pace struct {
	all     bucket
	account map[uint32]bucket // by uid: there are no more than accounts
}

// bucket is how many may begin at once at some time.
type bucket struct {
	left float64
	at   time.Time // the zero time for one that is full
}

func (b bucket) filled(now time.Time, burst, rate float64) bucket {
	if b.at.IsZero() {
		return bucket{burst, now}
	}
	return bucket{min(burst, b.left+rate*max(0, now.Sub(b.at).Seconds())), now}
}

// begin lets a login begin, or refuses one that is too many, by EUSERS, on which muxward asks as
// it asks for who is nobody here (docs/protocol/privsep.md). It is called by one at a time.
func (p *pace) begin(uid uint32, now time.Time) error {
	one, all := p.account[uid].filled(now, accountBurst, accountRate), p.all.filled(now, allBurst, allRate)
	switch {
	case one.left < 1:
		return fmt.Errorf("it was asked about %d times just now: %w", accountBurst, unix.EUSERS)
	case all.left < 1:
		return fmt.Errorf("passwords were asked about %d times just now: %w", allBurst, unix.EUSERS)
	}
	one.left--
	all.left--
	if p.account == nil {
		p.account = map[uint32]bucket{}
	}
	p.account[uid], p.all = one, all
	return nil
}
