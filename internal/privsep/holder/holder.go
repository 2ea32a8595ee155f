package holder

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/sandbox"
)

// Descriptors of the process.
const (
	lineFD = 3
	dirFD  = 4 // the directory of the keys
)

// Run is the whole of the process. fresh are the keys that may be made if they
// are not there.
func Run(fresh []string) error {
	line, err := privsep.OpenLine(lineFD, 0)
	if err != nil {
		return err
	}
	defer line.Close()
	unix.CloseOnExec(dirFD)
	dir := os.NewFile(dirFD, "keys")
	k, err := open(dir, fresh)
	if err == nil {
		k.last, err = openLast(dir, k.origin)
	}
	if err = errors.Join(err, dir.Close()); err != nil {
		return refuse(line, err)
	}
	if k.last.began && !k.public.CheckpointNew {
		fmt.Fprintf(os.Stderr, "muxward-helper: there is no %s beside the log's key, so what of the log was signed before is not known here, "+
			"and the next checkpoint is taken as it comes. That is right once, with a log that muxward has begun as root, and after the "+
			"file was removed for a new log; else try the log with muxward audit verify and a checkpoint that was kept elsewhere\n", LastFile)
	}
	if err := confine(); err != nil {
		return refuse(line, err)
	}
	return k.serve(line)
}

// confine gives up everything but memory and the line.
func confine() error {
	if err := sandbox.Undumpable(); err != nil {
		return err
	}
	if _, err := sandbox.NoFiles(); err != nil {
		return err
	}
	return sandbox.Deny(sandbox.Filter{Only: sandbox.Bare(), Rules: append(sandbox.NoChildren(), sandbox.OwnThreads()...)})
}

// refuse answers hello with why there are no keys.
func refuse(line *privsep.Line, why error) error {
	p, err := line.Receive(make([]byte, privsep.MaxPacket+1))
	if err == nil {
		err = answer(line, p.ID, nil, why)
	}
	return errors.Join(why, err)
}

// serve signs until the other side lets go of the line.
func (k *keys) serve(line *privsep.Line) error {
	buf := make([]byte, privsep.MaxPacket+1)
	for {
		p, err := line.Receive(buf)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var body any
		switch p.Number {
		case privsep.NumHello:
			body = privsep.Welcome{Version: privsep.Version, PID: os.Getpid()}
		case privsep.NumKeys:
			body = k.public
		case privsep.NumSigned:
			body = privsep.Signed{Size: k.last.size}
		case privsep.NumSign:
			var s privsep.Sign
			if err = privsep.Decode(p.Body, &s); err == nil {
				body, err = k.sign(s)
			}
		default:
			return fmt.Errorf("request %d is none of a holder of keys", p.Number)
		}
		if err := answer(line, p.ID, body, err); err != nil {
			return err
		}
	}
}

func answer(line *privsep.Line, id uint32, body any, failed error) error {
	n := privsep.NumDone
	if failed != nil {
		n, body = privsep.NumFailed, privsep.FailedOf(failed)
	}
	data, err := privsep.Pack(n, id, body)
	if err != nil {
		return err
	}
	return line.Send(data)
}

// keys are the secret keys.
type keys struct {
	host, checkpoint ed25519.PrivateKey
	origin           string // of the log
	public           privsep.Keys
	last             *last // that was signed of the log
}

var errNoCheckpoint = errors.New("the log's key signs checkpoints of its log, and nothing else")

// maxCheckpoint is the longest text of a checkpoint.
const maxCheckpoint = 4 << 10

// sign signs what a key is for.
func (k *keys) sign(s privsep.Sign) (privsep.Signature, error) {
	switch s.Key {
	case privsep.HostKey:
		// The hash of an exchange: of SHA-1, SHA-256, SHA-384 or SHA-512.
		if !slices.Contains([]int{20, 32, 48, 64}, len(s.Data)) {
			return privsep.Signature{}, errors.New("the host key signs hashes of ssh exchanges, and nothing else")
		}
		return privsep.Signature{Signature: ed25519.Sign(k.host, s.Data)}, nil
	case privsep.CheckpointKey:
		text := string(s.Data)
		if len(text) > maxCheckpoint {
			return privsep.Signature{}, errNoCheckpoint
		}
		stated, err := parse(text, k.origin)
		if err != nil {
			return privsep.Signature{}, fmt.Errorf("%w: %w", errNoCheckpoint, err)
		}
		proof, err := proofOf(s.Proof)
		if err != nil {
			return privsep.Signature{}, err
		}
		if err := k.last.keep(stated, proof); err != nil {
			return privsep.Signature{}, err
		}
		return privsep.Signature{Signature: ed25519.Sign(k.checkpoint, s.Data)}, nil
	}
	return privsep.Signature{}, fmt.Errorf("there is no key %.32q", s.Key)
}

// maxProof is more hashes than a proof between logs of maxSize has.
const maxProof = 128

func proofOf(hashes [][]byte) ([]tlog.Hash, error) {
	if len(hashes) > maxProof {
		return nil, errors.New("no proof is that long")
	}
	var proof []tlog.Hash
	for _, h := range hashes {
		if len(h) != tlog.HashSize {
			return nil, errors.New("what is in the proof is no hash")
		}
		proof = append(proof, tlog.Hash(h))
	}
	return proof, nil
}
