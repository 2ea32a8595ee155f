package executor

import (
	"testing"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// ticketless is a server that gives no tickets.
type ticketless struct{ Server }

func (ticketless) Owner() string { return "prod" }

// What is to run as an account is not run without a ticket where none can be asked for.
func TestNoPaneWithoutItsTicket(t *testing.T) {
	if got, err := tickets(&gateway.Plan{RunAs: &identity.Account{Name: "carol", UID: 2}}, ticketless{}); err == nil {
		t.Errorf("it goes on with %v", got)
	}
	if got, err := tickets(&gateway.Plan{}, ticketless{}); got != nil || err != nil {
		t.Errorf("a plan without an account: %v, %v", got, err)
	}
}
