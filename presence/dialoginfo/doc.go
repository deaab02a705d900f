// Package dialoginfo reads and writes application/dialog-info+xml, the documents of event package "dialog" (RFC 4235):
// which calls somebody is in. It knows no SIP and keeps nothing but what a Table is told.
//
// Who watches feeds the documents of one subscription, decoded by Decode, to a Table in the order they came, and shows
// Table.Lamp; when Table.Apply says so it refreshes the subscription, and the notifier answers with a full document.
// Who is watched writes documents with Encode; Plain makes one that tells no more than the lamp.
//
// Decode, Encode and Plain may be called from any goroutine; a Table belongs to one at a time.
package dialoginfo
