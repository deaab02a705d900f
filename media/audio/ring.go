package audio

import (
	"encoding/binary"
	"sync/atomic"
)

// ringSamples is the capacity of a ring: 341 ms, far above what a device asks for at once; a power of two.
const ringSamples = 1 << 14

// ring is a queue of samples between exactly one writer and one reader, which may be on different threads. Neither
// ever waits for the other: no lock, no allocation. Indices grow for ever and are taken modulo the capacity.
type ring struct {
	written atomic.Uint64 // by the writer alone
	read    atomic.Uint64 // by the reader alone
	data    [ringSamples]int16
}

// length returns the samples in the queue: at least so many for the reader, at most so many for the writer.
func (r *ring) length() int { return int(r.written.Load() - r.read.Load()) } //nolint:gosec // at most ringSamples

// put appends as many samples as there is room for and returns their number. Only the writer calls it.
func (r *ring) put(pcm []int16) int {
	w := r.written.Load()
	n := min(len(pcm), ringSamples-int(w-r.read.Load())) //nolint:gosec // at most ringSamples
	at := w % ringSamples
	first := copy(r.data[at:], pcm[:n])
	copy(r.data[:], pcm[first:n])
	r.written.Store(w + uint64(n)) //nolint:gosec // at most ringSamples
	return n
}

// putBytes is put for samples in the machine's byte order, as the drivers give them.
func (r *ring) putBytes(b []byte) int {
	w := r.written.Load()
	n := min(len(b)/2, ringSamples-int(w-r.read.Load())) //nolint:gosec // at most ringSamples
	for i := range n {
		r.data[(w+uint64(i))%ringSamples] = int16(binary.NativeEndian.Uint16(b[2*i:])) //nolint:gosec // the same bits
	}
	r.written.Store(w + uint64(n)) //nolint:gosec // at most ringSamples
	return n
}

// take moves up to len(pcm) samples out of the queue and returns their number. Only the reader calls it.
func (r *ring) take(pcm []int16) int {
	at := r.read.Load()
	n := min(len(pcm), int(r.written.Load()-at)) //nolint:gosec // at most ringSamples
	first := copy(pcm[:n], r.data[at%ringSamples:])
	copy(pcm[first:n], r.data[:])
	r.read.Store(at + uint64(n)) //nolint:gosec // at most ringSamples
	return n
}

// takeBytes is take for samples in the machine's byte order, as the drivers want them.
func (r *ring) takeBytes(b []byte) int {
	at := r.read.Load()
	n := min(len(b)/2, int(r.written.Load()-at)) //nolint:gosec // at most ringSamples
	for i := range n {
		x := r.data[(at+uint64(i))%ringSamples]
		binary.NativeEndian.PutUint16(b[2*i:], uint16(x)) //nolint:gosec // the same bits
	}
	r.read.Store(at + uint64(n)) //nolint:gosec // at most ringSamples
	return n
}
