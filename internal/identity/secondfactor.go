package identity

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
)

// SecondFactor is what people prove beside their key, or their password. [Codes] is one.
type SecondFactor interface {
	// Of tells what a person has to prove, or is "" if there is nothing such. It is
	// another when that is.
	Of(person string) string
	// Ask has a person prove it. The error is for the log.
	Ask(person string, challenge ssh.KeyboardInteractiveChallenge) error
}

// further gives what a proved key, or account, is worth: a proof, or that its person is to prove
// more: the password of their account behind a key, where that is asked for, and then a second
// factor that they have here.
func (p *SSHProver) further(ctx context.Context, from net.Addr, proof *SSHProof) (*ssh.Permissions, error) {
	if proof.key != nil && p.Passwords.behindKey(proof.person) {
		return p.behind(ctx, from, proof)
	}
	return p.secondly(ctx, from, proof)
}

// secondly is the second factor.
func (p *SSHProver) secondly(ctx context.Context, from net.Addr, proof *SSHProof) (*ssh.Permissions, error) {
	second := p.secondOf(proof.person)
	if second == "" {
		return permissions(proof), nil
	}
	if p.Asking != nil {
		if err := p.Asking(proof.person, proof.by()); err != nil {
			p.refusedBy(from, proof.by(), err)
			return nil, errDenied
		}
	}
	ask := func(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		with := *proof
		with.second = second
		err := p.Second.Ask(proof.person, challenge)
		if err == nil { // they took their time: keys may have changed
			_, err = p.Stands(ctx, &with)
			err = meanwhile(err)
		}
		if err != nil {
			p.refusedBy(from, proof.by(), fmt.Errorf("the second factor of %s: %w", proof.person, err))
			return nil, errDenied
		}
		return permissions(&with), nil
	}
	return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: ask}}
}

func (p *SSHProver) secondOf(person string) string {
	if p.Second == nil {
		return ""
	}
	return p.Second.Of(person)
}

// stillSecond refuses a proof whose second factor was replaced or taken away. Who came
// in without one goes on without: they are asked when they come the next time.
func (p *SSHProver) stillSecond(pr *SSHProof) error {
	if pr.second != "" && p.secondOf(pr.person) != pr.second {
		return errors.New("the second factor was replaced or taken away")
	}
	return nil
}

func permissions(proof *SSHProof) *ssh.Permissions {
	return &ssh.Permissions{ExtraData: map[any]any{proofKey{}: proof}}
}
