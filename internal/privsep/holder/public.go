package holder

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
)

// Public gives a host key as in a .pub file, and its fingerprint.
func Public(key ed25519.PublicKey) (line, fingerprint string) {
	blob := str(str(nil, hostKind), string(key))
	sum := sha256.Sum256(blob)
	return hostKind + " " + base64.StdEncoding.EncodeToString(blob), "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

const hostCertKind = "ssh-ed25519-cert-v01@openssh.com"

// Authority gives the key that has signed a host certificate of an ed25519 key, as in a .pub
// file; "" if that is none. Nobody has checked the signature here: muxward does, and refuses a
// certificate that is not good. The parts are those of OpenSSH's PROTOCOL.certkeys.
func Authority(cert []byte) string {
	words := bytes.Fields(cert)
	if len(words) < 2 || string(words[0]) != hostCertKind {
		return ""
	}
	data, err := base64.StdEncoding.DecodeString(string(words[1]))
	if err != nil {
		return ""
	}
	var part []byte
	ok := true
	skip := func(strings, bytes int) {
		for range strings {
			if ok {
				part, data, ok = next(data)
			}
		}
		if ok = ok && len(data) >= bytes; ok {
			data = data[bytes:]
		}
	}
	skip(3, 8+4) // the kind, the nonce, the key; the serial number, and host or person
	skip(2, 8+8) // the key's id, whom it is for; from when, and until when
	skip(4, 0)   // options, extensions, what is reserved, and the authority's key
	kind, _, is := next(part)
	if !ok || !is {
		return ""
	}
	return string(kind) + " " + base64.StdEncoding.EncodeToString(part)
}
