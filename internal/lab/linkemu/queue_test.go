package linkemu

import (
	"testing"
	"time"
)

func drain(q *queue, until time.Duration) []time.Duration {
	var out []time.Duration
	for now := time.Duration(0); now <= until; now += 100 * time.Microsecond {
		for {
			if _, ok := q.pop(now); !ok {
				break
			}
			out = append(out, now)
		}
	}
	return out
}

func TestQueueDelaysByTheDelay(t *testing.T) {
	q := newQueue(Impairment{Delay: 20 * time.Millisecond}, 1)
	for i := range 3 {
		q.push(time.Duration(i)*5*time.Millisecond, []byte{byte(i)})
	}
	got := drain(q, time.Second)
	want := []time.Duration{20 * time.Millisecond, 25 * time.Millisecond, 30 * time.Millisecond}
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("frame %d left at %v, want %v", i, got[i], want[i])
		}
	}
}

func TestQueueKeepsOrderUnderJitter(t *testing.T) {
	q := newQueue(Impairment{Delay: 10 * time.Millisecond, Jitter: 8 * time.Millisecond}, 7)
	for i := range 200 {
		q.push(time.Duration(i)*time.Millisecond, []byte{byte(i)})
	}
	var earliest, latest time.Duration = time.Hour, 0
	seen := 0
	for now := time.Duration(0); now < time.Second; now += 100 * time.Microsecond {
		data, ok := q.pop(now)
		if !ok {
			continue
		}
		if int(data[0]) != seen {
			t.Fatalf("frame %d left in place of %d", data[0], seen)
		}
		delay := now - time.Duration(seen)*time.Millisecond
		earliest, latest = min(earliest, delay), max(latest, delay)
		seen++
	}
	if seen != 200 {
		t.Fatalf("got %d frames, want 200", seen)
	}
	if earliest < 2*time.Millisecond || latest-earliest < 4*time.Millisecond {
		t.Errorf("delays spread from %v to %v, want a jitter around 10 ms", earliest, latest)
	}
}

func TestQueueLosesItsShare(t *testing.T) {
	q := newQueue(Impairment{Loss: 0.1}, 3)
	for i := range 5000 {
		q.push(time.Duration(i), []byte{1})
		q.pop(time.Duration(i))
	}
	if q.dropped < 400 || q.dropped > 600 {
		t.Errorf("lost %d of 5000 at 10 %%", q.dropped)
	}
}

func TestQueueHasABottleneck(t *testing.T) {
	q := newQueue(Impairment{}, 1)
	q.rate = 40000
	frame := make([]byte, 200) // 40 ms each
	for i := range 100 {       // 80 kbit/s for two seconds
		q.push(time.Duration(i)*20*time.Millisecond, frame)
	}
	// Half goes through, and what waits in the queue besides.
	if q.dropped < 40 || q.dropped > 45 {
		t.Errorf("dropped %d of 100, want somewhat less than half", q.dropped)
	}
	if queue := q.free - 2*time.Second; queue > Depth+40*time.Millisecond {
		t.Errorf("%v wait, want %v at most", queue, Depth)
	}
	q.rate = 0
	q.push(5*time.Second, frame)
	if out := drain(q, 6*time.Second); out[len(out)-1] != 5*time.Second {
		t.Errorf("without the bottleneck the frame left at %v", out[len(out)-1])
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue(Impairment{Delay: time.Second}, 1)
	for range queueLimit + 10 {
		q.push(0, []byte{1})
	}
	if q.n != queueLimit || q.dropped != 10 {
		t.Errorf("holds %d and dropped %d, want %d and 10", q.n, q.dropped, queueLimit)
	}
}

func TestParseArgs(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		want  Impairment
		bad   bool
	}{
		{"none", nil, Impairment{}, false},
		{"rates", []string{"1ms", "0s", "0", "40000", "0"}, Impairment{Delay: time.Millisecond, Down: 40000}, false},
		{"own rates", Impairment{Up: 40000}.Args(), Impairment{Up: 40000}, false},
		{"negative rate", []string{"1ms", "0s", "0", "-1"}, Impairment{}, true},
		{"all", []string{"20ms", "3ms", "0.01"}, Impairment{Delay: 20 * time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.01}, false},
		{"own words", Impairment{Delay: 50 * time.Millisecond}.Args(), Impairment{Delay: 50 * time.Millisecond}, false},
		{"no unit", []string{"20"}, Impairment{}, true},
		{"negative", []string{"-1ms"}, Impairment{}, true},
		{"too long", []string{"11s"}, Impairment{}, true},
		{"loss above one", []string{"1ms", "0s", "2"}, Impairment{}, true},
		{"not a number", []string{"1ms", "0s", "NaN"}, Impairment{}, true},
		{"too many", []string{"1ms", "0s", "0", "0", "0", "0"}, Impairment{}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseArgs(test.words)
			if (err != nil) != test.bad {
				t.Fatalf("error %v, want one: %v", err, test.bad)
			}
			if !test.bad && got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
