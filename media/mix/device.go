package mix

import "context"

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
