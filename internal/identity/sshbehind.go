package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/teeth"
)

// This file is about a password behind a key: who has proved a key is asked by PAM, too, as with
// AuthenticationMethods publickey,keyboard-interactive of sshd_config(5).

// behindKey reports whether a person proves the password of their account behind each key.
func (w *SSHPasswords) behindKey(person string) bool {
	return w != nil && w.Rules().behindKey(person)
}

func (r PasswordRules) behindKey(person string) bool {
	return r.BehindKey != nil && r.BehindKey(person) && !teeth.Out(teeth.PAM)
}

// behind has the person of a key asked.
func (p *SSHProver) behind(ctx context.Context, from net.Addr, proof *SSHProof) (*ssh.Permissions, error) {
	if p.Asking != nil {
		if err := p.Asking(proof.person, proof.by()); err != nil {
			p.refusedBy(from, proof.by(), err)
			return nil, errDenied
		}
	}
	name, err := p.Passwords.Of(ctx, proof.person)
	if err != nil { // they hear no more than who has typed a wrong one
		p.refusedBy(from, proof.by(), fmt.Errorf("%s is to prove the password of an account behind their key: %w", proof.person, err))
		return nil, errDenied
	}
	return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{
		KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			return p.answered(ctx, from, proof, name, &dialogue{challenge: challenge, spoke: time.Now()})
		},
		PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return p.answered(ctx, from, proof, name, &single{password: string(password), spoke: time.Now()})
		},
	}}
}

// answered is one try to prove the password of an account behind a key.
func (p *SSHProver) answered(ctx context.Context, from net.Addr, proof *SSHProof, name string, who speaker) (*ssh.Permissions, error) {
	if p.Trying != nil {
		if err := p.Trying(); err != nil {
			p.refusedBy(from, proof.by(), err)
			return nil, errDenied
		}
	}
	with := *proof
	var err error
	if with.behind, err = p.Passwords.proveBehind(ctx, proof, name, who); err == nil {
		_, err = p.Stands(ctx, &with) // they took their time
	}
	if err == nil {
		err = who.welcome()
	}
	if err != nil {
		p.refusedBy(from, proof.by(), fmt.Errorf("the password of %q behind the key of %s: %w", name, proof.person, err))
		p.failed(name, err)
		p.Passwords.wait(ctx, who.last())
		return nil, errDenied
	}
	return p.secondly(ctx, from, &with)
}

// proveBehind has the person of a key prove their account.
func (w *SSHPasswords) proveBehind(ctx context.Context, proof *SSHProof, name string, who LoginPerson) (*passwordProof, error) {
	rules := w.Rules()
	if rules.Service == "" {
		return nil, errors.New("no passwords are taken any more")
	}
	account, err := w.theirs(ctx, proof.person, name, w.Account)
	if err == nil && account.UID == 0 && !rules.Root { // muxward-helper would not ask either
		err = errors.New("PAM is not asked for root's password (ssh: pam_root)")
	}
	if err != nil {
		return nil, err
	}
	answers, err := w.Login(ctx, rules.Service, name, proof.from.Addr().String(), who)
	if err == nil && answers == 0 {
		err = errors.New("PAM lets them in without an answer")
	}
	if err != nil {
		return nil, err
	}
	return &passwordProof{account: account, service: rules.Service}, nil
}

// theirs gives an account that is a person's.
func (w *SSHPasswords) theirs(ctx context.Context, person, name string, find findAccount) (Account, error) {
	account, is, err := find(ctx, name)
	if err == nil && is != person {
		err = fmt.Errorf("the account %s is %s's", name, strings.ToValidUTF8(is, "?"))
	}
	return account, err
}

// behindStands says whether what was proved behind a key would still be taken: as long as the
// account is the same, and that person's, and the same service is asked.
func (w *SSHPasswords) behindStands(ctx context.Context, pr *SSHProof, find findAccount) error {
	if pr.behind == nil {
		return nil
	}
	if w == nil || w.Rules().Service != pr.behind.service {
		return errors.New("passwords are not taken any more, or not as they were")
	}
	account, err := w.theirs(ctx, pr.person, pr.behind.account.Name, find)
	if err == nil && account.UID != pr.behind.account.UID {
		err = fmt.Errorf("the account %s is another one now", account.Name)
	}
	return err
}
