package sip

import sipmsg "github.com/emiago/sipgo/sip"

// validate checks what package syntax leaves open, because it is our choice and no rule. Runs on a socket's reader.
func (u *UA) validate(in *inbound) (code int) {
	// RFC 3261 8.2.6.2: RFC 2543 knew no tags. A dialog needs one all the same: two of them could not be told apart.
	alone := in.req.Method == sipmsg.OPTIONS || in.req.Method == sipmsg.MESSAGE
	if tagOf(in.req.From()) == "" && !alone {
		return 400
	}
	return 0
}
