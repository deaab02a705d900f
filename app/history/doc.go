// Package history keeps the calls that are over: who, when, how long, missed or not. It is a store and knows neither
// the engine nor SIP.
//
// Order of calls: Open, then Add for every call that has ended, Recent, Missed, SeeAll, Clear from any goroutine. There
// is nothing to close, because every change is on disk (fsync) when its call returns.
//
// The file is a journal of one JSON record per line: "history" (the first, with the version of the form), "call" (one
// that has ended) and "seen" (the user has looked at all the calls above). New records go to its end. It is rewritten
// (temporary file, fsync, rename) when it has grown well beyond what is kept. A last line without its end was torn by a
// crash and is cut off; a line that is no such record is kept aside in the file with the suffix ".damaged", and the
// calls around it stay.
package history
