package im

import (
	"strconv"
	"strings"
	"time"
)

const (
	// maxSeen bounds the memory of what has come in: two keys per message, the last 10,000 messages.
	maxSeen = 20000
	// transactionWindow is how long Call-ID, CSeq and content mark a repetition. Retransmissions end after 32 s (RFC
	// 3261 timer F); an hour covers a proxy that stores and repeats. A Message-ID marks it for ever.
	transactionWindow = time.Hour
)

// seen remembers the newest messages that came in, so that a repetition is known. Not safe for concurrent use.
type seen struct {
	at    map[string]time.Time
	order []string // ring of keys, oldest at next
	next  int
}

func newSeen() *seen { return &seen{at: make(map[string]time.Time)} }

// keys of a message: by its id, and by transaction and content. The content is part of the latter because some programs
// use one Call-ID and CSeq for different messages after a restart; losing one of those would be worse than showing a
// repetition.
func (s *seen) keys(m Message) (byID, byTransaction string) {
	peer := m.Peer.String()
	if m.RemoteID != "" {
		byID = "i\x00" + peer + "\x00" + m.RemoteID
	}
	if m.CallID != "" {
		cseq := strconv.FormatUint(uint64(m.CSeq), 10)
		byTransaction = strings.Join([]string{"t", peer, m.CallID, cseq, m.Digest}, "\x00")
	}
	return byID, byTransaction
}

func (s *seen) repeated(m Message, now time.Time) bool {
	byID, byTransaction := s.keys(m)
	if _, ok := s.at[byID]; ok && byID != "" {
		return true
	}
	at, ok := s.at[byTransaction]
	return ok && byTransaction != "" && now.Sub(at) < transactionWindow
}

func (s *seen) add(m Message, now time.Time) {
	byID, byTransaction := s.keys(m)
	for _, key := range []string{byID, byTransaction} {
		if key == "" {
			continue
		}
		if _, known := s.at[key]; !known {
			if len(s.order) < maxSeen {
				s.order = append(s.order, key)
			} else {
				delete(s.at, s.order[s.next])
				s.order[s.next] = key
				s.next = (s.next + 1) % maxSeen
			}
		}
		s.at[key] = now
	}
}
