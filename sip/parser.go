package sip

import (
	"maps"

	sipmsg "github.com/emiago/sipgo/sip"
)

// newParser reads whole messages with sipgo, but leaves Refer-To and Referred-By as they came: sipgo takes the headers
// inside their URIs apart and keeps one of each name, so that two Replaces would pass as one.
func newParser() func(raw []byte) (sipmsg.Message, error) {
	readers := maps.Clone(sipmsg.DefaultHeadersParser())
	delete(readers, "refer-to")
	delete(readers, "referred-by")
	return sipmsg.NewParser(sipmsg.WithHeadersParsers(readers)).ParseSIP
}
