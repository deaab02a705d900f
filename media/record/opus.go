package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/peregrine-softphone/peregrine/media/codec"
)

const (
	opusFrame = rate / 50 // 20 ms
	// preSkip is what the encoder delays the sound by: 2.5 ms of look-ahead and 4 ms for the voice mode of libopus.
	preSkip = 312
	// opusBitrate of each side: wide-band speech without loss to the ear.
	opusBitrate = 32000
	// pageTime is how much goes into a page, in samples: what a killed process loses.
	pageTime = rate
)

// encoder makes Opus packets of 20 ms mono; codec.Encoder is one.
type encoder interface {
	Encode(pcm []int16, out []byte) (int, error)
}

// opusSink writes Ogg Opus (RFC 7845) with two streams, one for each side, shown as stereo.
type opusSink struct {
	file     io.WriteCloser
	ogg      oggWriter
	sides    [channels]encoder
	pending  [channels][]int16
	packet   []byte
	payload  []byte
	granule  int64 // samples of all packets, those of preSkip among them
	samples  int64 // given to us
	pageFrom int64
}

func newOpusSink(file io.WriteCloser) (sink, error) {
	c, ok := codec.Find("opus")
	if !ok {
		return nil, ErrNoOpus
	}
	var sides [channels]encoder
	for i := range sides {
		e, err := c.NewEncoder()
		if err != nil {
			return nil, err
		}
		if a, ok := e.(codec.Adaptive); ok { // nothing is lost on the way to a disk
			if err := errors.Join(a.SetFEC(0), a.SetBitrate(opusBitrate)); err != nil {
				return nil, err
			}
		}
		sides[i] = e
	}
	return startOpus(file, sides, c.MaxPayload())
}

func startOpus(file io.WriteCloser, sides [channels]encoder, largest int) (*opusSink, error) {
	s := &opusSink{
		file: file, sides: sides, payload: make([]byte, largest),
		ogg: oggWriter{out: file, serial: rand.Uint32()}, //nolint:gosec // only to tell streams apart
	}
	for i := range s.pending {
		s.pending[i] = make([]int16, 0, opusFrame+chunk)
	}
	if err := s.ogg.add(opusHead(), 0); err != nil {
		return nil, err
	}
	if err := s.ogg.flush(oggFirst); err != nil { // RFC 7845 3: alone on the first page
		return nil, err
	}
	if err := s.ogg.add(opusTags(), 0); err != nil {
		return nil, err
	}
	return s, s.ogg.flush(0)
}

// opusHead is the identification header, RFC 7845 5.1: mapping family 1, two channels of one uncoupled stream each.
func opusHead() []byte {
	b := append([]byte("OpusHead"), 1, channels)
	b = binary.LittleEndian.AppendUint16(b, preSkip)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint16(b, 0) // gain
	return append(b, 1, channels, 0, 0, 1)
}

// opusTags is the comment header, RFC 7845 5.2.
func opusTags() []byte {
	const vendor = "Peregrine"
	b := binary.LittleEndian.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	b = append(b, vendor...)
	return binary.LittleEndian.AppendUint32(b, 0)
}

func (s *opusSink) write(left, right []int16) error {
	s.samples += int64(len(left))
	s.pending[0], s.pending[1] = append(s.pending[0], left...), append(s.pending[1], right...)
	at := 0
	for ; at+opusFrame <= len(s.pending[0]); at += opusFrame {
		if err := s.encode(at, s.granule+opusFrame); err != nil {
			return err
		}
	}
	for i := range s.pending {
		s.pending[i] = s.pending[i][:copy(s.pending[i], s.pending[i][at:])]
	}
	return nil
}

// encode makes one packet of both sides; granule is that of the page if the packet is its last.
func (s *opusSink) encode(at int, granule int64) error {
	s.packet = s.packet[:0]
	for i, e := range s.sides {
		n, err := e.Encode(s.pending[i][at:at+opusFrame], s.payload)
		if err != nil {
			return fmt.Errorf("opus: %w", err)
		}
		if s.packet, err = appendStream(s.packet, s.payload[:n], i == channels-1); err != nil {
			return err
		}
	}
	s.granule += opusFrame
	if err := s.ogg.add(s.packet, granule); err != nil {
		return err
	}
	if s.granule-s.pageFrom < pageTime {
		return nil
	}
	s.pageFrom = s.granule
	return s.ogg.flush(0)
}

// appendStream puts the packet of one stream into that of the file: all but the last say their length, RFC 6716
// appendix B.
func appendStream(to, packet []byte, last bool) ([]byte, error) {
	if len(packet) == 0 || packet[0]&3 != 0 {
		return nil, errors.New("opus: not one frame in a packet")
	}
	if last {
		return append(to, packet...), nil
	}
	to = append(to, packet[0])
	n := len(packet) - 1
	if n < 252 { // RFC 6716 3.2.1
		to = append(to, byte(n))
	} else {
		first := 252 + n%4
		to = append(to, byte(first), byte((n-first)/4)) //nolint:gosec // a frame has at most 1275 bytes
	}
	return append(to, packet[1:]...), nil
}

func (s *opusSink) close() error {
	// As much silence as brings out what the encoder holds back; the granule position of the last page cuts the file
	// to its length, RFC 7845 4.4.
	end := preSkip + s.samples
	s.pageFrom = s.granule // all that is left goes onto one page
	err := s.ogg.failed
	for err == nil && s.granule < end {
		for i := range s.pending {
			n := len(s.pending[i])
			s.pending[i] = s.pending[i][:max(n, opusFrame)]
			clear(s.pending[i][n:])
		}
		err = s.encode(0, min(s.granule+opusFrame, end))
		for i := range s.pending {
			s.pending[i] = s.pending[i][:0]
		}
	}
	s.ogg.granule = end
	if err == nil {
		err = s.ogg.flush(oggLast)
	}
	return errors.Join(err, s.file.Close())
}
