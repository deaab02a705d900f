// Package im is instant messaging in pager mode (RFC 3428): one chat session per peer that outlives its window (thesis
// 7.4 and figure 7.5), an outbox that keeps order and loses nothing, the reading of what others send (plain text, HTML,
// CPIM of RFC 3862), and a history on disk.
//
// It knows no SIP stack: Sender, which package app satisfies, carries a message out, and app calls Receive for every
// MESSAGE that came in and answers by the error it gives.
//
// Order of calls: OpenJournal (or another Store), New, start Run; then Send, Retry, Cancel, Receive, MarkRead and the
// readers Chats, History, from any goroutine. Call NetworkBack when the network is back and RetryWaiting when a buddy
// comes online. To end, cancel the context of Run, wait for it, then close the store. What was waiting then goes out
// after the next start.
package im
