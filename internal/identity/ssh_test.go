package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// noon is the time of these tests.
var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func newSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func line(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func mustKey(t testing.TB, text, person string) *SSHKey {
	t.Helper()
	k, err := ParseSSHKey(text, person, "keys:1")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What a line asks for is kept, or the line is refused by the name of what
// cannot be.
func TestParseSSHKey(t *testing.T) {
	key := line(newSigner(t).PublicKey())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	smallKey, err := ssh.NewPublicKey(&small.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		key:                                  "",
		key + " alice@laptop":                "",
		"restrict " + key:                    "",
		"restrict,pty " + key:                "",
		`from="10.0.0.0/8,!10.1.2.3" ` + key: "",
		`from="192.168.*" ` + key:            "",
		`expiry-time="20270131" ` + key:      "",
		`EXPIRY-TIME="20270131Z" ` + key:     "",
		`from="host.example.org" ` + key:     "names of hosts are not looked up",
		`from="10.0.0.1/8" ` + key:           "no address, network",
		`from="" ` + key:                     "write the option",
		`from=10.0.0.1 ` + key:               "write the option",
		`from="a\"b" ` + key:                 "write the option",
		`from="10.0.0.1",from="::1" ` + key:  "twice",
		`expiry-time="2027" ` + key:          "no moment",
		`expiry-time="20271331" ` + key:      "no moment",
		`command="rm -rf /" ` + key:          "command= is not taken",
		"verify-required " + key:             "verify-required cannot be checked",
		"no-touch-required " + key:           "no-touch-required is not taken",
		"cert-authority " + key:              "among the authorities",
		`environment="A=b" ` + key:           "is not known",
		`tunnel="0" ` + key:                  "is not known",
		"restrict=yes " + key:                "takes no value",
		"ssh-rsa" + key[len("ssh-ed25519"):]: "no public key",
		"ssh-ed25519 AAAA":                   "no public key",
		"":                                   "no public key",
		key + "\n" + key:                     "one line",
		line(smallKey):                       "too short",
		strings.Repeat("x", maxKeyLine+1):    "bytes",
	} {
		_, err := ParseSSHKey(text, "alice", "f:1")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	if k := mustKey(t, "restrict "+key, "alice"); !k.limits.noPTY {
		t.Error("restrict leaves a terminal")
	}
	if k := mustKey(t, "restrict,port-forwarding "+key, "alice"); k.limits.noPorts || !k.limits.noAgent || !k.limits.noPTY {
		t.Errorf("restrict,port-forwarding leaves %+v", k.limits)
	}
	if k := mustKey(t, "no-agent-forwarding "+key, "alice"); k.limits.noPorts || !k.limits.noAgent || k.limits.noPTY {
		t.Errorf("no-agent-forwarding leaves %+v", k.limits)
	}
	if k := mustKey(t, "restrict,pty "+key, "alice"); k.limits.noPTY {
		t.Error("pty gives no terminal back")
	}
}

func TestParseSSHKeysAllOrNothing(t *testing.T) {
	key := line(newSigner(t).PublicKey())
	keys, err := ParseSSHKeys([]byte("# mine\n\n"+key+"\n"), "alice", "alice.keys")
	if err != nil || len(keys) != 1 || keys[0].Where() != "alice.keys:3" || keys[0].Person() != "alice" {
		t.Errorf("%v, %v", keys, err)
	}
	keys, err = ParseSSHKeys([]byte(key+"\nnonsense\n"), "alice", "alice.keys")
	if err == nil || keys != nil || !strings.Contains(err.Error(), "alice.keys:2") {
		t.Errorf("half a list: %v, %v", keys, err)
	}
}

// In an account's own file a line that is not taken costs its key, and no other; and
// that key is not taken from another line instead.
func TestParseAccountKeys(t *testing.T) {
	good, limited, bad := line(newSigner(t).PublicKey()), line(newSigner(t).PublicKey()), line(newSigner(t).PublicKey())
	text := strings.Join([]string{"# for sshd, too", good, `from="10.0.0.1",restrict ` + limited, bad, `command="backup" ` + bad, "nonsense"}, "\n")
	keys, err := ParseAccountKeys([]byte(text), "alice", "authorized_keys")
	if len(keys) != 2 || keys[0].Where() != "authorized_keys:2" || keys[1].Where() != "authorized_keys:3" || !keys[1].limits.noPTY {
		t.Errorf("%+v", keys)
	}
	for _, want := range []string{"authorized_keys:5: the option command= is not taken", "authorized_keys:6: no public key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing says %q: %v", want, err)
		}
	}
}

// world is a host with alice's key and an authority.
type world struct {
	alice, ca, other ssh.Signer
	table            *SSHKeys
	now              time.Time
	prover           *SSHProver
	why              error
}

func newWorld(t testing.TB, aliceOptions, caOptions string, revoked *SSHRevoked) *world {
	t.Helper()
	w := &world{alice: newSigner(t), ca: newSigner(t), other: newSigner(t), now: noon}
	var wrong []error
	w.table, wrong = NewSSHKeys(
		[]*SSHKey{mustKey(t, aliceOptions+line(w.alice.PublicKey()), "alice")},
		[]*SSHKey{mustKey(t, caOptions+line(w.ca.PublicKey()), "")}, revoked,
		func(s string) bool { return s == "alice" || s == "bob" })
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	w.prover = &SSHProver{Keys: func() *SSHKeys { return w.table }, Now: func() time.Time { return w.now },
		Refused: func(_ net.Addr, _ string, _ bool, why error) { w.why = why }}
	return w
}

func at(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4022} }

// A key proves its person, where and as long as its line says.
func TestKeyConditions(t *testing.T) {
	for name, c := range map[string]struct {
		options, from string
		now           time.Time
		ok            bool
	}{
		"plain":             {"", "203.0.113.1", noon, true},
		"from":              {`from="203.0.113.0/24" `, "203.0.113.1", noon, true},
		"from mapped":       {`from="203.0.113.0/24" `, "::ffff:203.0.113.1", noon, true},
		"from elsewhere":    {`from="203.0.113.0/24" `, "198.51.100.1", noon, false},
		"excluded":          {`from="!203.0.113.9,203.0.113.0/24" `, "203.0.113.9", noon, false},
		"excluded only":     {`from="!203.0.113.9" `, "203.0.113.1", noon, false},
		"pattern":           {`from="203.0.113.?" `, "203.0.113.1", noon, true},
		"pattern elsewhere": {`from="203.0.113.?" `, "203.0.113.10", noon, false},
		"six":               {`from="2001:db8::/32" `, "2001:db8::1", noon, true},
		"not yet expired":   {`expiry-time="202703011201Z" `, "203.0.113.1", noon, true},
		"expired":           {`expiry-time="202703011200Z" `, "203.0.113.1", noon, false},
	} {
		w := newWorld(t, c.options, "", nil)
		w.now = c.now
		pr, err := w.prover.check(at(c.from), w.alice.PublicKey())
		if (err == nil) != c.ok || err == nil && pr.person != "alice" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := newWorld(t, "", "", nil)
	if _, err := w.prover.check(at("203.0.113.1"), w.other.PublicKey()); err == nil {
		t.Error("a key that nobody listed proves somebody")
	}
	if _, err := w.prover.check(&net.UnixAddr{Name: "x"}, w.alice.PublicKey()); err == nil {
		t.Error("a connection without an address was taken")
	}
}

// A key of two people proves neither.
func TestKeyOfTwo(t *testing.T) {
	key := line(newSigner(t).PublicKey())
	table, wrong := NewSSHKeys([]*SSHKey{mustKey(t, key, "alice"), mustKey(t, key, "bob")}, nil, nil, func(string) bool { return true })
	if len(wrong) != 1 {
		t.Error(wrong)
	}
	if n, _ := table.Len(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// Somebody who adds another's public key to their own takes nothing away, and gains
// nothing.
func TestKeyOfAnother(t *testing.T) {
	text := line(newSigner(t).PublicKey())
	hers, his := mustKey(t, text, "alice"), mustKey(t, text, "mallory")
	before, _ := NewSSHKeys([]*SSHKey{hers}, nil, nil, func(string) bool { return true })
	for name, c := range map[string]struct {
		people, files []*SSHKey
		inForce       *SSHKeys
		whose         string // of the key
	}{
		"in the list of the people": {[]*SSHKey{hers}, []*SSHKey{his}, nil, "alice"},
		"in force":                  {nil, []*SSHKey{his, hers}, before, "alice"},
		"given up":                  {nil, []*SSHKey{his}, before, "mallory"},
		"new to both":               {nil, []*SSHKey{his, hers}, nil, ""},
	} {
		kept, wrong := Unclaimed(c.people, c.files, c.inForce)
		table, _ := NewSSHKeys(append(c.people, kept...), nil, nil, func(string) bool { return true })
		whose := ""
		if list := table.keys[string(hers.key.Marshal())]; len(list) > 0 {
			whose = list[0].person
		}
		if whose != c.whose || (len(wrong) == 1) != (whose == "alice") {
			t.Errorf("%s: it is %q's, %v", name, whose, wrong)
		}
	}
}

// certificate makes one, good but for what change does.
func (w *world) certificate(t testing.TB, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{
		Key: w.other.PublicKey(), Serial: 7, CertType: ssh.UserCert, KeyId: "laptop",
		ValidPrincipals: []string{"alice"},
		ValidAfter:      uint64(noon.Add(-time.Hour).Unix()), ValidBefore: uint64(noon.Add(time.Hour).Unix()),
	}
	c.Extensions = map[string]string{"permit-pty": ""}
	c.CriticalOptions = map[string]string{}
	by := w.ca
	if change != nil {
		change(c)
	}
	if c.SignatureKey != nil { // signed by somebody else
		by = w.other
	}
	if err := c.SignCert(rand.Reader, by); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCertificates: of what a certificate says everything holds, or it proves
// nobody (SS-04).
func TestCertificates(t *testing.T) {
	revoked := func(text string) *SSHRevoked {
		r, err := ParseSSHRevoked([]byte(text), "revoked")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	type cert = *ssh.Certificate
	option := func(name, value string) func(cert) {
		return func(c cert) { c.CriticalOptions[name] = value }
	}
	for name, c := range map[string]struct {
		change  func(cert)
		ca      string
		revoked *SSHRevoked
		want    string // "" is taken
	}{
		"good":                   {nil, "", nil, ""},
		"for ever":               {func(c cert) { c.ValidBefore = ssh.CertTimeInfinity }, "", nil, ""},
		"one of ours":            {func(c cert) { c.ValidPrincipals = []string{"alice", "deploy"} }, "", nil, ""},
		"source address":         {option("source-address", "203.0.113.0/24"), "", nil, ""},
		"authority from":         {nil, `from="203.0.113.1" `, nil, ""},
		"other serials revoked":  {nil, "", revoked("serial: 1-6\nserial: 8\nid: desk\n"), ""},
		"expired":                {func(c cert) { c.ValidBefore = uint64(noon.Unix()) }, "", nil, "expired"},
		"not yet":                {func(c cert) { c.ValidAfter = uint64(noon.Add(time.Second).Unix()) }, "", nil, "not yet valid"},
		"after the end of time":  {func(c cert) { c.ValidBefore = 1 << 63 }, "", nil, "expired"},
		"of a host":              {func(c cert) { c.CertType = ssh.HostCert }, "", nil, "not one of a user"},
		"of no kind":             {func(c cert) { c.CertType = 9 }, "", nil, "not one of a user"},
		"another authority":      {func(c cert) { c.SignatureKey = c.Key }, "", nil, "nobody who is an authority"},
		"no principals":          {func(c cert) { c.ValidPrincipals = nil }, "", nil, "no principals"},
		"an empty principal":     {func(c cert) { c.ValidPrincipals = []string{""} }, "", nil, "nobody who is a person"},
		"two in one principal":   {func(c cert) { c.ValidPrincipals = []string{"alice,bob"} }, "", nil, "nobody who is a person"},
		"another spelling":       {func(c cert) { c.ValidPrincipals = []string{"Alice", "alice "} }, "", nil, "nobody who is a person"},
		"somebody unknown":       {func(c cert) { c.ValidPrincipals = []string{"mallory"} }, "", nil, "nobody who is a person"},
		"two people":             {func(c cert) { c.ValidPrincipals = []string{"alice", "bob"} }, "", nil, "one person's"},
		"too many":               {func(c cert) { c.ValidPrincipals = make([]string, maxPrincipals+1) }, "", nil, "more than"},
		"force-command":          {option("force-command", "id"), "", nil, "force-command"},
		"verify-required":        {option("verify-required", ""), "", nil, "verify-required"},
		"an unknown option":      {option("x@y", ""), "", nil, "x@y"},
		"elsewhere":              {option("source-address", "198.51.100.0/24"), "", nil, "source-address"},
		"an odd source":          {option("source-address", "203.0.113.0/24,host"), "", nil, "source-address"},
		"an empty source":        {option("source-address", ""), "", nil, "source-address"},
		"a source with a star":   {option("source-address", "203.*"), "", nil, "source-address"},
		"without a touch":        {func(c cert) { c.Extensions["no-touch-required"] = "" }, "", nil, "touch"},
		"authority elsewhere":    {nil, `from="198.51.100.1" `, nil, "may not come from there"},
		"authority has expired":  {nil, `expiry-time="20270101" `, nil, "has expired"},
		"revoked by serial":      {nil, "", revoked("serial: 5-7\n"), "revoked"},
		"revoked by id":          {nil, "", revoked("id: laptop\n"), "revoked"},
		"signed, and changed":    {nil, "", nil, "signature"},
		"signed, and prolonged":  {nil, "", nil, "signature"},
		"signed by a nested one": {nil, "", nil, "authority"},
	} {
		w := newWorld(t, "", c.ca, c.revoked)
		cert := w.certificate(t, c.change)
		switch name {
		case "signed, and changed":
			cert.ValidPrincipals = []string{"bob"}
		case "signed, and prolonged":
			cert.ValidBefore = ssh.CertTimeInfinity
		case "signed by a nested one":
			cert.SignatureKey = w.certificate(t, nil)
		}
		pr, err := w.prover.check(at("203.0.113.1"), cert)
		switch {
		case c.want == "" && (err != nil || pr.person != "alice"):
			t.Errorf("%s: refused: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A certificate whose authority signs by SHA-1 proves nobody: another may have the
// same signature.
func TestCertificateBySHA1(t *testing.T) {
	w := newWorld(t, "", "", nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.table.authorities[string(ca.PublicKey().Marshal())] = []*SSHKey{mustKey(t, line(ca.PublicKey()), "")}
	for kind, want := range map[string]bool{ssh.KeyAlgoRSA: false, ssh.KeyAlgoRSASHA256: true, ssh.KeyAlgoRSASHA512: true} {
		by, err := ssh.NewSignerWithAlgorithms(ca.(ssh.AlgorithmSigner), []string{kind})
		if err != nil {
			t.Fatal(err)
		}
		c := w.certificate(t, nil)
		if err := c.SignCert(rand.Reader, by); err != nil {
			t.Fatal(err)
		}
		if _, err := w.prover.check(at("203.0.113.1"), c); (err == nil) != want || err != nil && !strings.Contains(err.Error(), "signed in a way") {
			t.Errorf("signed with %s: %v", kind, err)
		}
	}
}

// An RSA key has as many bits as its modulus, not as its bytes.
func TestRSABits(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 2040) // 2041 bits
	n.SetBit(n, 0, 1)
	key, err := ssh.NewPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	if err := strong(key); err == nil || !strings.Contains(err.Error(), "2041 bits") {
		t.Error(err)
	}
}

// A proof goes on as the lists have it now, or ends.
func TestProofStandsAnew(t *testing.T) {
	w := newWorld(t, "", "", nil)
	pr, err := w.prover.check(at("203.0.113.1"), w.alice.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	relist := func(options string) {
		w.table.keys[string(w.alice.PublicKey().Marshal())] = []*SSHKey{mustKey(t, options+line(w.alice.PublicKey()), "alice")}
	}
	relist(`expiry-time="202703011230Z" `)
	if now, err := w.prover.Stands(t.Context(), pr); err != nil || !now.Until().Equal(noon.Add(30*time.Minute)) {
		t.Errorf("%+v, %v", now, err)
	}
	w.now = noon.Add(time.Hour)
	if _, err := w.prover.Stands(t.Context(), pr); err == nil {
		t.Error("an expired key stands")
	}
	relist("restrict ")
	if _, err := w.prover.Stands(t.Context(), pr); err == nil {
		t.Error("a key stands that may not be used on a terminal any more")
	}
}

// Of a list of what was revoked that has a mistake, the rest is known.
func TestRevokedInPart(t *testing.T) {
	r, err := ParseSSHRevoked([]byte("serial: 1\nnonsense\nid: laptop\n"), "revoked")
	if err == nil || !strings.Contains(err.Error(), "revoked:2") {
		t.Error(err)
	}
	old, err := ParseSSHRevoked([]byte("serial: 9\nserial: 1\n"), "revoked")
	if err != nil {
		t.Fatal(err)
	}
	all := old.With(r)
	if len(all.serials) != 2 || !all.ids["laptop"] || len(all.With(r).serials) != 2 || old.ids["laptop"] {
		t.Errorf("%+v of %+v", all, old)
	}
	if (*SSHRevoked)(nil).With(r) != r || r.With(nil) != r {
		t.Error("nothing and a list are not the list")
	}
}

// A key, an authority or what an authority signed can be revoked by the key.
func TestRevokedKeys(t *testing.T) {
	for _, spell := range []func(ssh.PublicKey) string{
		line,
		func(k ssh.PublicKey) string { return "key: " + line(k) },
		func(k ssh.PublicKey) string { return "sha1: " + line(k) },
		func(k ssh.PublicKey) string { return "sha256: " + line(k) },
		func(k ssh.PublicKey) string { return "sha256: " + ssh.FingerprintSHA256(k) },
		func(k ssh.PublicKey) string { return "hash: " + ssh.FingerprintSHA256(k) },
	} {
		w := newWorld(t, "", "", nil)
		keys := map[string]ssh.PublicKey{"key": w.alice.PublicKey(), "certified": w.certificate(t, nil)}
		for what, bad := range map[string]ssh.PublicKey{"key": w.alice.PublicKey(), "certified": w.other.PublicKey(), "authority": w.ca.PublicKey()} {
			r, err := ParseSSHRevoked([]byte("# gone\n"+spell(bad)+"\n"), "revoked")
			if err != nil {
				t.Fatal(err)
			}
			w.table.revoked = r
			for name, key := range keys {
				_, err := w.prover.check(at("203.0.113.1"), key)
				gone := what == name || what == "authority" && name == "certified"
				if errors.Is(err, errRevoked) != gone {
					t.Errorf("%s: with the %s revoked: %v", name, what, err)
				}
			}
		}
	}
	for _, text := range []string{"x", "serial: a", "serial: 7-5", "sha256: abc", "id:", "hash: 1", "SSHKRL\n\x00..", "SSHKRL\n\x00\x00\x00\x00\x02", "restrict " + line(newSigner(t).PublicKey())} {
		if _, err := ParseSSHRevoked([]byte(text), "revoked"); err == nil {
			t.Errorf("%q is understood", text)
		}
	}
}

// login connects with keys that the client offers one after the other, and gives
// whom that proved.
func (w *world) login(t *testing.T, user string, auth ...ssh.AuthMethod) (who Identity, pr *SSHProof, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := &ssh.ServerConfig{}
	config.AddHostKey(newSigner(t))
	w.prover.Install(t.Context(), config)
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		conn, _, _, err := ssh.NewServerConn(nc, config)
		if err == nil {
			who, pr, err = w.prover.FromConn(conn, "ssh")
		}
		done <- err
	}()
	c, cerr := ssh.Dial("tcp", l.Addr().String(), &ssh.ClientConfig{User: user, Auth: auth,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second})
	if cerr == nil {
		defer c.Close()
	}
	select {
	case err = <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the login does not end")
	}
	return who, pr, errors.Join(err, cerr)
}

// lying offers a key that it cannot sign with.
type lying struct {
	claimed ssh.PublicKey
	real    ssh.Signer
}

func (l lying) PublicKey() ssh.PublicKey { return l.claimed }
func (l lying) Sign(r io.Reader, data []byte) (*ssh.Signature, error) {
	return l.real.Sign(r, data)
}

// token is a key in hardware, which was touched or not.
type token struct {
	public  ssh.PublicKey
	private ed25519.PrivateKey
	touched bool
}

func (k token) PublicKey() ssh.PublicKey { return k.public }
func (k token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	app, sum := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	flags := byte(0)
	if k.touched {
		flags = 1
	}
	rest := []byte{flags, 0, 0, 0, 9}
	signed := slices.Concat(app[:], rest, sum[:])
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.private, signed), Rest: rest}, nil
}

// TestProvedKeyOnly: a key that is offered makes nobody; one that is proved makes
// its own person, whatever was offered before and whatever the user name says
// (SS-01, SS-02).
func TestProvedKeyOnly(t *testing.T) {
	w := newWorld(t, "", "", nil)
	bob := newSigner(t)
	w.table.keys[string(bob.PublicKey().Marshal())] = []*SSHKey{mustKey(t, line(bob.PublicKey()), "bob")}
	who, pr, err := w.login(t, "alice", ssh.PublicKeys(bob))
	if err != nil || who.Person() != "bob" || who.Door() != "ssh" || who.Account() != "" ||
		!strings.HasPrefix(who.Key(), "SHA256:") || !strings.HasPrefix(who.From(), "127.0.0.1:") {
		t.Errorf("bob is %+v: %v", who.Subject(), err)
	}
	if _, ok := who.UID(); ok {
		t.Error("a key proves a uid")
	}
	if _, err := w.prover.Stands(t.Context(), pr); err != nil {
		t.Error("a proof does not stand:", err)
	}
	delete(w.table.keys, string(bob.PublicKey().Marshal()))
	if _, err := w.prover.Stands(t.Context(), pr); err == nil {
		t.Error("a proof stands without its key")
	}
	for name, auth := range map[string][]ssh.AuthMethod{
		"nothing":             nil,
		"a password":          {ssh.Password("alice")},
		"a lie":               {ssh.PublicKeys(lying{w.alice.PublicKey(), w.other})},
		"a stranger's":        {ssh.PublicKeys(w.other)},
		"a word":              {ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil })},
		"a stranger and lie":  {ssh.PublicKeys(w.other, lying{w.alice.PublicKey(), w.other})},
		"a certificate's lie": {ssh.PublicKeys(lying{w.certificate(t, nil), w.ca})},
	} {
		if who, _, err := w.login(t, "alice", auth...); err == nil || !who.IsNobody() {
			t.Errorf("%s makes %q: %v", name, who.Person(), err)
		}
	}
	signer, err := ssh.NewCertSigner(w.certificate(t, nil), w.other)
	if err != nil {
		t.Fatal(err)
	}
	w.now = noon
	if who, _, err := w.login(t, "x", ssh.PublicKeys(signer)); err != nil || who.Person() != "alice" || !strings.Contains(who.Key(), `"laptop" serial 7`) {
		t.Errorf("the certificate makes %q (%s): %v", who.Person(), who.Key(), err)
	}
	if _, _, err := w.prover.FromConn(&ssh.ServerConn{Permissions: &ssh.Permissions{
		ExtraData: map[any]any{"proof": &SSHProof{person: "alice"}, struct{}{}: &SSHProof{person: "alice"}}}}, "ssh"); err == nil {
		t.Error("a proof was made elsewhere")
	}
}

// TestTouch: a key that can ask for a touch has to.
func TestTouch(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Name string
		Key  []byte
		App  string
	}{ssh.KeyAlgoSKED25519, pub, "ssh:"})
	sk, err := ssh.ParsePublicKey(wire)
	if err != nil {
		t.Fatal(err)
	}
	for _, touched := range []bool{true, false} {
		w := newWorld(t, "", "", nil)
		w.table.keys[string(wire)] = []*SSHKey{mustKey(t, line(sk), "alice")}
		who, _, err := w.login(t, "alice", ssh.PublicKeys(token{sk, priv, touched}))
		if (who.Person() == "alice") != touched {
			t.Errorf("touched %v: %q, %v", touched, who.Person(), err)
		}
	}
}

func FuzzParseSSHKey(f *testing.F) {
	key := line(newSigner(f).PublicKey())
	for _, s := range []string{key, "restrict " + key, `from="10.0.0.0/8,!1.2.3.4,*" ` + key, `expiry-time="20270131Z",no-pty ` + key, `command="a b" ` + key} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseSSHKey(text, "alice", "f:1")
		if err == nil && (k.key == nil || strings.Contains(strings.ToLower(text[:max(0, strings.Index(text, "AAAA"))]), "command=")) {
			t.Errorf("%q was taken", text)
		}
		_, _ = ParseSSHKeys([]byte(text), "alice", "f")
	})
}

func FuzzParseSSHRevoked(f *testing.F) {
	f.Add("serial: 1-7\nid: x\nsha256: SHA256:" + strings.Repeat("a", 43) + "\n")
	f.Add(line(newSigner(f).PublicKey()))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseSSHRevoked([]byte(text), "f")
		if err == nil && strings.TrimSpace(text) != "" && text[0] != '#' && !strings.ContainsAny(text, "\n") &&
			len(r.prints)+len(r.ids)+len(r.serials) == 0 {
			t.Errorf("%q revokes nothing and is no mistake", text)
		}
	})
}

// A list of revoked keys that is empty may be one that is just being written: it gives
// nothing back.
func TestEmptyListOfRevoked(t *testing.T) {
	for text, ok := range map[string]bool{"": false, " \n\n": false, "# nothing\n": true} {
		if _, err := ParseSSHRevoked([]byte(text), "revoked"); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
