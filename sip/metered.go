package sip

import (
	"sync/atomic"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/transport"
)

// metered is the way back to a datagram source that has proven nothing: whoever forged it could make us send to a
// third party what he would not. It gets amplification times the bytes it sent. The 2xx to an INVITE is free, since
// only the user brings it about, and so is the first refusal: a caller whose phone rang for minutes must learn of it.
type metered struct {
	transport.Conn
	left    atomic.Int64
	refused atomic.Bool
}

func newMetered(c transport.Conn, req *sipmsg.Request) *metered {
	m := &metered{Conn: c}
	m.earn(req)
	return m
}

// earn counts a request that came, repeats too.
func (m *metered) earn(req *sipmsg.Request) { m.left.Add(amplification * int64(len(req.String()))) }

// WriteMsg sends what is paid for, and forgets the rest as a network would.
func (m *metered) WriteMsg(msg sipmsg.Message) error {
	res, ok := msg.(*sipmsg.Response)
	if ok && !m.free(res) {
		size := int64(len(msg.String()))
		if m.left.Add(-size) < 0 {
			m.left.Add(size)
			return nil
		}
	}
	return m.Conn.WriteMsg(msg)
}

func (m *metered) free(res *sipmsg.Response) bool {
	if res.CSeq().MethodName != sipmsg.INVITE || res.IsProvisional() {
		return false
	}
	return res.IsSuccess() || !m.refused.Swap(true)
}
