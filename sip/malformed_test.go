package sip

import (
	"testing"
	"time"
)

func TestRefusalsAreBounded(t *testing.T) {
	var r refusals
	now, sent := time.Unix(1000, 0), 0
	for range 10 * refuseRate {
		if r.allow(now) {
			sent++
		}
	}
	if sent != refuseRate || !r.allow(now.Add(time.Second)) {
		t.Errorf("%d answers in a second, want %d and more in the next", sent, refuseRate)
	}
}
