package monitor

import (
	"math/rand/v2"
	"testing"

	"github.com/muxward/muxward/internal/passed"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/soak"
)

// rejected is what a monitor has been sent and how it went: it may end, with a
// reason, and may do nothing else.
func rejected(t *testing.T, b *bed, packets [][]byte) (sent int) {
	t.Helper()
	done := make(chan struct{})
	go func() { // its answers are read, as they would be
		defer close(done)
		for buf := make([]byte, privsep.MaxPacket); ; {
			_, files, err := b.line.ReceiveFiles(buf)
			passed.Close(files)
			if err != nil {
				return
			}
		}
	}()
	for i, p := range packets {
		if b.line.Send(p) != nil {
			break // it has ended
		}
		if sent++; i == 0 {
			b.greeted()
		}
	}
	b.line.Close()
	<-done
	_ = b.ended() // whatever it is
	return sent
}

// FuzzMonitor sends a monitor that was greeted a packet.
func FuzzMonitor(f *testing.F) {
	hello, _ := privsep.Pack(privsep.NumHello, 1, privsep.Hello{Version: privsep.Version})
	f.Add(hello)
	for n := range privsep.AtOnce() {
		f.Add(raw(n, 2, `{"id":"0123abcd"}`))
		f.Add(raw(n, 4, `{"name":"dora","uid":0}`))
		f.Add(raw(n, 3, `{"Account":{"Name":"root","UID":0},"owner":"x","environ":["QQ=="]}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > privsep.MaxPacket+100 {
			return
		}
		b := newBed(t)
		close(b.hands.wait)
		rejected(t, b, [][]byte{hello, data})
	})
}

// TestFlood has a hostile daemon send what comes to its mind: requests with
// pieces wrong, in any order, many to a line. The monitor ends, or answers; it
// never fails otherwise, and nothing of it is left. The hands are toys here: [TestFloodHands] has real ones.
func TestFlood(t *testing.T) {
	messages, r := soak.N(10_000_000, 100_000), rand.New(rand.NewPCG(1, 2))
	hello := pack(t, privsep.NumHello, 1, privsep.Hello{Version: privsep.Version})
	bodies := []string{`{}`, `{"id":"0123abcd"}`, `{"key":"host","data":"AAAA"}`, `{"state":"READY=1"}`, `{"state":"STOPPING=1"}`,
		`{"account":"root"}`, `{"account":"mwnobody"}`, `{"Account":{"Name":"root","UID":0},"Server":""}`, `{"Server":"0123abcd"}`,
		`{"owner":"alice","account":{"Name":"root","UID":0},"environ":["QT1i"]}`, `{"id":"0123abcd","said":{"Started":1,"Version":"3.4"}}`,
		`{"id":7}`, `{"version":1,"release":"x"}`, `{"version":1e99}`, `[]`, `{"id":"\ud800"}`, "{\"id\":\"\x00\"}", `{"id":"a","id":"b"}`}
	valid := []struct {
		n    privsep.Number
		body string
	}{
		{privsep.NumAdopt, bodies[1]}, {privsep.NumConnect, bodies[1]}, {privsep.NumAbandon, bodies[1]}, {privsep.NumNotify, bodies[3]},
		{privsep.NumOpenDoor, bodies[8]}, {privsep.NumCloseDoor, bodies[7]}, {privsep.NumStart, bodies[9]}, {privsep.NumNote, bodies[10]},
		{privsep.NumAuthKeys, bodies[6]}, {privsep.NumCtl, bodies[0]}, {privsep.NumSign, bodies[2]},
		{privsep.NumForced, `{"pid":1}`}, {privsep.NumReach, `{"account":{"Name":"x","UID":7}}`},
		{privsep.NumHalt, `{"id":"0123abcd","what":"stop"}`},
		{privsep.NumTicket, `{"ID":"0123abcd","Account":{"Name":"root","UID":0},"Pane":"%1"}`},
	}
	ends, sent := 0, 0
	for ; sent < messages; ends++ {
		packets := [][]byte{hello}
		for i := range 1 + r.IntN(300) {
			v := valid[r.IntN(len(valid))]
			p := raw(v.n, uint32(i)+2, v.body)
			switch r.IntN(200) {
			case 0:
				p = raw(privsep.Number(r.IntN(256)), uint32(i)+2, bodies[r.IntN(len(bodies))])
			case 1:
				p = p[:1+r.IntN(len(p)-1)]
			case 2:
				p[r.IntN(len(p))] = byte(r.IntN(256))
			}
			packets = append(packets, p)
		}
		b := newBed(t)
		close(b.hands.wait)
		sent += rejected(t, b, packets)
	}
	t.Logf("%d monitors were sent %d messages", ends, sent)
}
