package mix

import (
	"context"
	"time"
)

func (m *Mixer) record(ctx context.Context) (bool, error) {
	m.devices.Lock()
	r := m.mic
	m.devices.Unlock()
	if r == nil {
		return false, nil
	}
	return true, r.Record(ctx, m.heard)
}

func (m *Mixer) play(ctx context.Context) (bool, error) {
	m.devices.Lock()
	p := m.ear
	m.devices.Unlock()
	if p == nil {
		return false, nil
	}
	return true, p.Play(ctx, m.wanted)
}

// runDevice keeps a device running: again after it failed, another one after a swap.
func (m *Mixer) runDevice(ctx context.Context, which int, run func(context.Context) (bool, error)) {
	for ctx.Err() == nil {
		present, err := m.runOnce(ctx, which, run)
		if ctx.Err() != nil {
			return
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		m.setProblem(which, problem)
		var again <-chan time.Time
		if present {
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.swap[which]:
			m.setProblem(which, "")
		case <-again:
		}
	}
}

// runOnce runs a device until it ends or another is wanted. A device that has run for a while is well.
func (m *Mixer) runOnce(ctx context.Context, which int, run func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var present bool
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		present, err = run(ctx)
	}()
	well := time.NewTimer(retry)
	defer well.Stop()
	for {
		select {
		case <-done:
			return present, err
		case <-well.C:
			m.setProblem(which, "")
		case <-m.swap[which]:
			poke(m.swap[which]) // for runDevice, which goes on at once
			cancel()
			<-done
			return present, nil
		}
	}
}

func (m *Mixer) setProblem(which int, problem string) {
	m.devices.Lock()
	same := m.trouble[which] == problem
	m.trouble[which] = problem
	m.devices.Unlock()
	if same {
		return
	}
	if problem != "" {
		m.log.Warn("sound device failed", "device", [2]string{"recorder", "player"}[which], "error", problem)
	}
	if m.onChange != nil {
		m.onChange()
	}
}
