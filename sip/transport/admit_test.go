package transport

import (
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/trace"
)

// What is not admitted is neither parsed nor answered, closes its stream, and a trace says so.
func TestNotAdmitted(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		var parsed atomic.Int32
		var mu sync.Mutex
		var fates []string
		l := New(Config{
			Network: network.NewHost("10.0.0.1"),
			Admit: func(remote netip.AddrPort, _ bool, _ []byte) bool {
				return remote.Addr() != netip.MustParseAddr("10.0.0.66")
			},
			Parse: func(raw []byte) (sipmsg.Message, error) {
				parsed.Add(1)
				return sipmsg.ParseMessage(raw)
			},
			Malformed: func(_ []byte, to netip.AddrPort) ([]byte, netip.AddrPort) { return []byte("SIP/2.0 400 X\r\n\r\n"), to },
			Receive:   func(Received) {},
		})
		l.Trace(func(e trace.Entry) {
			mu.Lock()
			defer mu.Unlock()
			fates = append(fates, e.Transport+" "+e.Fate.String())
		}, true)
		must(t, l.Open(t.Context(), 5060))
		served := make(chan struct{})
		go func() { l.Serve(t.Context()); close(served) }()
		mallory := network.NewHost("10.0.0.66")
		a := start(t, mallory, 5060)
		must(t, a.writeTo([]byte(options("UDP", 0).String()), netip.MustParseAddrPort("10.0.0.1:5060")))
		for _, text := range []string{options("TCP", 0).String(), "OPTIONS sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n"} {
			c := dial(t, mallory, "10.0.0.1:5060")
			_, err := io.WriteString(c, text)
			must(t, err)
			if got := answerOf(c); got != "" { // it ends with the stream
				t.Errorf("answered %q", got)
			}
			must(t, c.Close())
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		want := "udp dropped without an answer|tcp dropped without an answer|tcp not understood"
		if got := strings.Join(fates, "|"); got != want || parsed.Load() != 0 || len(a.received()) != 0 {
			t.Errorf("%s; %d parsed, %d answers", got, parsed.Load(), len(a.received()))
		}
		a.stop()
		l.Close()
		<-served
	})
}
