package page

import (
	"fyne.io/fyne/v2"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// stripLayout puts the buttons beside the words, or under them where there is no room.
type stripLayout struct {
	s      *Strip
	open   fyne.CanvasObject // the avatar, which leads to the person
	ground fyne.CanvasObject // lies under all and does so too
}

const (
	stripRow      float32 = 64
	stripTogether float32 = 520 // from this width on words and buttons stand in one row
)

func (l *stripLayout) two() bool {
	return l.s.buttons.MinSize().Width > 150 && l.s.head.Size().Width < stripTogether
}

func (l *stripLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	if l.two() {
		return fyne.NewSize(300, stripRow+44+8)
	}
	return fyne.NewSize(300, stripRow)
}

func (l *stripLayout) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	s := l.s
	put(l.ground, 0, 0, size.Width, size.Height)
	put(l.open, 12, 12, 40, 40)
	buttons := s.buttons.MinSize()
	room := size.Width - 64 - 12
	if l.two() {
		put(s.buttons, size.Width-12-buttons.Width, stripRow, buttons.Width, 40)
	} else {
		put(s.buttons, size.Width-12-buttons.Width, 12, buttons.Width, 40)
		room -= buttons.Width + 12
	}
	x, end := float32(64), 64+room
	put(s.name, x, 10, room, 22)
	state := s.room
	put(s.state, x, 34, min(state, room), 20)
	x += state + 8
	x = l.place(s.quality, x, end, 2)
	x = l.place(s.Recording, x, end, 8)
	x = l.place(s.codec, x, end, 8)
	words := s.secure.MinSize() // shrinks: measured by its text
	words.Width = fyne.MeasureText(s.secure.Text(), theme.SizeCaption, fyne.TextStyle{}).Width + 1
	fits := s.lock.Visible() && x+20+words.Width <= end
	lockOnly := s.lock.Visible() && x+14 <= end
	move(s.lock, lockOnly, x, 37, 14, 14)
	move(s.secure, fits, x+18, 35, words.Width, 18)
	over := float32(22)
	if fits {
		over += words.Width
	}
	move(s.locked, lockOnly, x-4, 32, over+4, 24)
}

// place puts a chip into the second line if it is shown and fits, and returns where the next begins.
func (l *stripLayout) place(o fyne.CanvasObject, x, end, gap float32) float32 {
	w := o.MinSize()
	fits := o.Visible() && x+w.Width <= end
	move(o, fits, x, 44-w.Height/2, w.Width, w.Height)
	if !fits {
		return x
	}
	return x + w.Width + gap
}

// move puts an object somewhere, or out of sight without hiding it: whether it is shown is not a
// question of the layout.
func move(o fyne.CanvasObject, fits bool, x, y, w, h float32) {
	if !fits {
		put(o, -1000, 0, 0, 0)
		return
	}
	put(o, x, y, w, h)
}
