package reach

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// Kind is what there is to do.
type Kind string

// The kinds.
const (
	Connect   Kind = "connect"   // to Host and Port, or to Path
	Listen    Kind = "listen"    // at Addr and Port, or at Path
	Agent     Kind = "agent"     // listen where only the account comes, at a new path
	Subsystem Kind = "subsystem" // run Argv
)

// Ask begins the line.
type Ask struct {
	Kind Kind       `json:"kind"`
	Host string     `json:"host,omitempty"`
	Addr netip.Addr `json:"addr,omitzero"`
	Port uint16     `json:"port,omitempty"`
	Path string     `json:"path,omitempty"`
	// Argv is the program of a subsystem; nil is the sftp server of the system.
	Argv []string `json:"argv,omitempty"`
}

// Found is what was looked up. Path has no symbolic links left in it.
type Found struct {
	Addrs []netip.Addr `json:"addrs,omitempty"`
	Path  string       `json:"path,omitempty"`
	Error string       `json:"error,omitempty"`
}

// proceed has the process go on with what it has found. Addrs are those of it that were
// decided.
type proceed struct {
	Addrs []netip.Addr `json:"addrs,omitempty"`
}

// done answers that; descriptors come along.
type done struct {
	Path  string `json:"path,omitempty"`
	Error string `json:"error,omitempty"`
}

// ended tells how a subsystem has ended.
type ended struct {
	Code int `json:"code"`
}

// Over is the last packet: all that was started has ended. It is sent by the process, and by
// who has started it and knows.
const Over = `{"over":true}`

const (
	// maxPacket bounds a packet, and maxAddrs the addresses of a name.
	maxPacket = 16 << 10
	maxAddrs  = 16
	maxPath   = 107 // unix(7)
	maxArgs   = 64
)

// decode reads one packet strictly.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("a packet is not as it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind a packet")
	}
	return nil
}

// valid refuses what nobody of ours asks for.
func (a *Ask) valid() error {
	switch a.Kind {
	case Connect:
		if (a.Path == "") == (a.Host == "") || a.Path == "" && a.Port == 0 {
			return errors.New("a place to connect to is a host with a port, or a path")
		}
	case Listen:
		if (a.Path == "") == !a.Addr.IsValid() {
			return errors.New("a place to listen at is an address, or a path")
		}
	case Agent:
	case Subsystem:
		if len(a.Argv) > maxArgs || len(a.Argv) > 0 && !strings.HasPrefix(a.Argv[0], "/") {
			return errors.New("a subsystem's program has an absolute path")
		}
	default:
		return fmt.Errorf("%.40q is nothing to do", a.Kind)
	}
	if len(a.Host) > 255 || strings.ContainsAny(a.Host, "\x00%/ ") {
		return errors.New("that is no name of a host")
	}
	return checkPath(a.Path)
}

func checkPath(path string) error {
	switch {
	case path == "":
		return nil
	case len(path) > maxPath:
		return fmt.Errorf("a socket's path has at most %d bytes", maxPath)
	case !strings.HasPrefix(path, "/") || strings.Contains(path, "\x00"):
		return errors.New("a socket's path is absolute")
	}
	return nil
}
