package app

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// levelAttention marks a notice the user should act on; "info" is for the rest.
const levelAttention = "attention"

// maxNotices bounds the list; the oldest go first.
const maxNotices = 20

// addNotice tells the user a sentence, once: the same sentence again only moves its time.
func (e *Engine) addNotice(text, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notices = slices.DeleteFunc(e.notices, func(n Notice) bool { return n.Text == text })
	e.noticeID++
	n := Notice{ID: strconv.Itoa(e.noticeID), At: time.Now(), Level: levelAttention, Text: text, Detail: detail}
	e.notices = append(e.notices, n)
	if len(e.notices) > maxNotices {
		e.notices = slices.Delete(e.notices, 0, len(e.notices)-maxNotices)
	}
	e.emit(Event{Kind: EventNotice, Notice: &n})
	e.changedLocked()
}

// dropNotice takes a sentence away that is no longer true.
func (e *Engine) dropNotice(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.notices)
	e.notices = slices.DeleteFunc(e.notices, func(n Notice) bool { return n.Text == text })
	if len(e.notices) != n {
		e.changedLocked()
	}
}

// DismissNotice takes a notice away.
func (e *Engine) DismissNotice(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.notices, func(n Notice) bool { return n.ID == id })
	if i < 0 {
		return userErrorf("That notice is gone already.")
	}
	e.notices = slices.Delete(e.notices, i, i+1)
	e.changedLocked()
	return nil
}
