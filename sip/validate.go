package sip

import sipmsg "github.com/emiago/sipgo/sip"

// maxHeaders bounds the header fields of a request: Max-Forwards lets 70 proxies add a Via and a Record-Route.
const maxHeaders = 256

// validate checks what RFC 3261 8.1.1 and 8.2 ask of every request before anything else is done
// with it. Runs on a socket's reader.
func (u *UA) validate(in *inbound) (code int, drop bool) {
	req := in.req
	if req.Via() == nil {
		return 0, true
	}
	if len(req.Headers()) > maxHeaders { // not worth an answer with thousands of Via
		return 0, true
	}
	if req.SipVersion != "SIP/2.0" {
		req.SipVersion = "SIP/2.0" // RFC 3261 7.2: what an answer says, whatever was asked
		return 505, false
	}
	if req.CSeq() == nil || req.CallID() == nil || req.From() == nil || req.To() == nil {
		return 400, false
	}
	// RFC 3261 8.2.6.2: RFC 2543 knew no tags. A dialog needs one all the same: two of them could not be told apart.
	alone := req.Method == sipmsg.OPTIONS || req.Method == sipmsg.MESSAGE
	if tagOf(req.From()) == "" && !alone {
		return 400, false
	}
	switch {
	case req.CSeq().MethodName != req.Method:
		return 400, false
	case req.Recipient.Scheme != "sip" && req.Recipient.Scheme != "sips":
		return 416, false
	case len(req.Body()) > maxBody:
		return 413, false
	}
	return 0, false
}
