// Package linkemu is the lab's delay box: it stands between two Ethernet interfaces of one network
// namespace and passes frames with delay, jitter and loss, in user space, since not every kernel
// has netem. It is for package lab, which runs it as a process of its own so that nothing else in
// that process disturbs its timing.
package linkemu

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Impairment is what the box does to each frame, in each direction alike. The zero value passes
// frames at once.
type Impairment struct {
	Delay  time.Duration `json:"delay"`  // one way; up to 10 s
	Jitter time.Duration `json:"jitter"` // evenly spread in ± this around Delay; frames keep their order
	Loss   float64       `json:"loss"`   // probability of a frame to be lost, 0 to 1

	// Down and Up are the rates of a bottleneck in bit/s, Ethernet headers included, for frames that come from the
	// first and from the second interface; 0: there is none. A frame that would wait longer than Depth is dropped.
	Down int `json:"down,omitempty"`
	Up   int `json:"up,omitempty"`
}

// Depth is the queue of a bottleneck: that of a small router on a slow line.
const Depth = 300 * time.Millisecond

// maxDelay bounds what the queue must hold.
const maxDelay = 10 * time.Second

// Args are the words that ParseArgs understands.
func (i Impairment) Args() []string {
	words := []string{i.Delay.String(), i.Jitter.String(), strconv.FormatFloat(i.Loss, 'g', -1, 64)}
	if i.Down != 0 || i.Up != 0 {
		words = append(words, strconv.Itoa(i.Down), strconv.Itoa(i.Up))
	}
	return words
}

// ParseArgs reads delay, jitter, loss and the rates down and up ("20ms", "3ms", "0.01", "40000", "0"); missing words
// mean none.
func ParseArgs(words []string) (Impairment, error) {
	var i Impairment
	var err error
	if len(words) > 5 {
		return i, errors.New("link: want DELAY [JITTER [LOSS [DOWN [UP]]]], for example 20ms 3ms 0.01 40000 40000")
	}
	for n, word := range words {
		switch n {
		case 0:
			i.Delay, err = time.ParseDuration(word)
		case 1:
			i.Jitter, err = time.ParseDuration(word)
		case 2:
			i.Loss, err = strconv.ParseFloat(word, 64)
		case 3:
			i.Down, err = strconv.Atoi(word)
		case 4:
			i.Up, err = strconv.Atoi(word)
		}
		if err != nil {
			return Impairment{}, fmt.Errorf("link: %w", err)
		}
	}
	return i, i.validate()
}

func (i Impairment) validate() error {
	if i.Delay < 0 || i.Delay > maxDelay || i.Jitter < 0 || i.Jitter > maxDelay {
		return fmt.Errorf("link: delay %v and jitter %v must lie between 0 and %v", i.Delay, i.Jitter, maxDelay)
	}
	if !(i.Loss >= 0 && i.Loss <= 1) { // also refuses NaN
		return fmt.Errorf("link: loss %v must lie between 0 and 1", i.Loss)
	}
	if i.Down < 0 || i.Up < 0 {
		return fmt.Errorf("link: rates %d and %d must not be negative", i.Down, i.Up)
	}
	return nil
}
