package media

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"math/big"
)

// floorDB is the bottom of the level meters.
const floorDB = -60

// meter follows the level of a stream of frames: at once up, 26 dB a second down, as programme meters do.
type meter struct{ value float64 }

// Level is how loud some sound is, 0 (-60 dB of full scale, or less) to 1.
func Level(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return 0
	}
	db := 10 * math.Log10(sum/float64(len(pcm))/(32768*32768))
	return min(max(1-db/floorDB, 0), 1)
}

// put takes a frame of 10 ms.
func (m *meter) put(frame []int16) {
	now := Level(frame)
	const fall = 0.26 / (-floorDB) // 0.26 dB per frame of 10 ms
	m.value = max(now, m.value-fall, 0)
}

func randomUint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint32(b[:])
}

// randomInt returns 0 to n-1.
func randomInt(n int) int {
	v, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0
	}
	return int(v.Int64())
}

// SetTap lets a listener have every frame that is sent, as it is after muting, and every frame that is played; nil:
// nobody. They are called on the goroutines of the devices, in conferences of the mixer, and must not block; the frame
// is valid only during the call. When SetTap returns, the listeners before are not called any more.
func (s *Session) SetTap(sent, heard func(frame []int16)) {
	s.tx.mu.Lock()
	s.tx.tap = sent
	s.tx.mu.Unlock()
	s.rx.mu.Lock()
	s.rx.tap = heard
	s.rx.mu.Unlock()
}
