package widget

import (
	"sort"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// FeedSource is what a Feed shows. All its functions are called on the UI thread, and often:
// Height must be quick.
type FeedSource struct {
	Count  func() int
	Kind   func(i int) int                    // rows of one kind share their drawings
	Height func(i int, width float32) float32 // in canvas units
	Create func(kind int) fyne.CanvasObject   // makes a drawing
	Update func(i int, o fyne.CanvasObject)   // fills it
	Key    func(i int) string                 // what stays the same when rows move; may be nil
	Choose func(i int)                        // Enter or Space at row i; nil: rows cannot be chosen
	Enter  func(i int) bool                   // Enter alone; false: as Choose; may be nil
	Still  func(i int) bool                   // rows the keyboard passes over; may be nil
}

// Feed is a column of rows of different heights of which only the visible ones exist: it costs the
// same with ten rows and with ten thousand. Fyne's list draws the heights anew with each one that is
// set, and cannot stay at its end; this one can. Up, Down, Home, End, PageUp and PageDown work.
type Feed struct {
	fynewidget.BaseWidget
	Source  FeedSource
	ToEnd   bool   // a column that grows at its end and stays there when it was there (a chat)
	FromTop bool   // rows that do not fill a column ToEnd stand at its head, not at its foot
	NearTop func() // the user is about to see the first row; may be nil

	scroll  *container.Scroll
	frame   fyne.CanvasObject // the scroller without shadows
	body    *fyne.Container
	tops    []float32 // tops[i] is the upper edge of row i; one more at the end
	width   float32
	live    map[int]fyne.CanvasObject
	kinds   map[int]int // of the live rows
	spare   map[int][]fyne.CanvasObject
	keys    map[int]string // of the live rows, as they were at the last placing
	cursor  int
	focused bool
	started bool
}

var (
	_ fyne.Widget    = (*Feed)(nil)
	_ fyne.Focusable = (*Feed)(nil)
)

// NewFeed returns a column. Call Reload whenever the rows are others.
func NewFeed(s FeedSource) *Feed {
	f := &Feed{
		Source: s, live: map[int]fyne.CanvasObject{}, kinds: map[int]int{},
		spare: map[int][]fyne.CanvasObject{}, keys: map[int]string{}, cursor: -1, tops: []float32{0},
	}
	f.body = container.New(&feedLayout{f})
	f.scroll = container.NewVScroll(f.body)
	f.scroll.OnScrolled = func(fyne.Position) { f.scrolled() }
	f.frame = container.NewThemeOverride(f.scroll, theme.Flat())
	f.ExtendBaseWidget(f)
	return f
}

// feedLayout gives the scroller the height of all rows; the rows are placed by Feed.place.
type feedLayout struct{ f *Feed }

func (l *feedLayout) Layout([]fyne.CanvasObject, fyne.Size) {}
func (l *feedLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(0, l.f.tops[len(l.f.tops)-1])
}

// CreateRenderer implements fyne.Widget.
func (f *Feed) CreateRenderer() fyne.WidgetRenderer { return &feedRenderer{f} }

type feedRenderer struct{ f *Feed }

func (r *feedRenderer) Destroy()                     {}
func (r *feedRenderer) MinSize() fyne.Size           { return fyne.NewSize(40, 40) }
func (r *feedRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.f.frame} }
func (r *feedRenderer) Layout(s fyne.Size)           { r.f.resize(s) }

func (r *feedRenderer) Refresh() {
	r.f.spare = map[int][]fyne.CanvasObject{} // drawings of another theme
	for _, o := range r.f.live {
		o.Refresh()
	}
	r.f.Reload()
}

// resize gives the column another size. One that was at its end stays there; in any other the
// topmost visible row keeps its place.
func (f *Feed) resize(s fyne.Size) {
	if s.Width <= 0 || s.Height <= 0 {
		return // in the middle of a layout: the size that counts comes next
	}
	end := f.atEnd()
	key, within := f.anchor()
	f.frame.Resize(s)
	wrapped := s.Width != f.width
	if wrapped {
		f.width = s.Width
		f.measure()
	}
	f.sizeBody()
	switch {
	case f.ToEnd && (end || !f.started):
		f.toEnd()
	case wrapped && key != "":
		f.restore(key, within)
	}
	f.clamp()
	f.started = true
	f.place(true)
	f.scroll.Refresh()
}

// measure computes the edges of all rows for the present width.
func (f *Feed) measure() {
	n := f.Source.Count()
	f.tops = append(f.tops[:0], 0)
	y := float32(0)
	for i := range n {
		y += f.Source.Height(i, f.width)
		f.tops = append(f.tops, y)
	}
}

// Rows returns how many rows there are.
func (f *Feed) Rows() int { return len(f.tops) - 1 }

// Live returns how many rows exist as drawings now.
func (f *Feed) Live() int { return len(f.live) }

// Row returns the drawing of row i if it is visible, else nil.
func (f *Feed) Row(i int) fyne.CanvasObject { return f.live[i] }

// Cursor returns the row the keyboard is at while the feed has the focus, else -1.
func (f *Feed) Cursor() int {
	if !f.focused {
		return -1
	}
	return f.cursor
}

// Reload shows the rows anew after the source has changed. What the user looks at stays in place.
func (f *Feed) Reload() {
	end := f.atEnd()
	key, within := f.anchor()
	f.measure()
	f.sizeBody()
	switch {
	case f.ToEnd && (end || !f.started):
		f.toEnd()
	case key != "":
		f.restore(key, within)
	}
	f.clamp()
	f.place(true)
	f.scroll.Refresh()
}

// sizeBody gives the rows their whole height before the scroller is moved: it keeps itself within
// the size its content had.
func (f *Feed) sizeBody() {
	f.body.Resize(fyne.NewSize(f.width, max(f.total(), f.scroll.Size().Height)))
}

func (f *Feed) total() float32 { return f.tops[len(f.tops)-1] }

func (f *Feed) atEnd() bool {
	return f.scroll.Offset.Y+f.scroll.Size().Height >= f.total()-1
}

// anchor remembers the first visible row by its key and how far it is scrolled.
func (f *Feed) anchor() (key string, within float32) {
	i := f.first()
	if i >= f.Rows() {
		return "", 0
	}
	return f.keys[i], f.scroll.Offset.Y - f.tops[i]
}

func (f *Feed) restore(key string, within float32) {
	for i := range f.Rows() {
		if f.Source.Key(i) == key {
			f.scroll.Offset.Y = f.tops[i] + within
			return
		}
	}
}

func (f *Feed) clamp() {
	most := max(0, f.total()-f.scroll.Size().Height)
	f.scroll.Offset.Y = max(0, min(f.scroll.Offset.Y, most))
}

func (f *Feed) toEnd() {
	f.scroll.Offset.Y = max(0, f.total()-f.scroll.Size().Height)
}

// ScrollToEnd shows the last row.
func (f *Feed) ScrollToEnd() {
	f.toEnd()
	f.place(false)
	f.scroll.Refresh()
}

// Reveal shows row i, with as little movement as possible.
func (f *Feed) Reveal(i int) {
	if i < 0 || i >= f.Rows() {
		return
	}
	top, bottom, height := f.tops[i], f.tops[i+1], f.scroll.Size().Height
	switch {
	case top < f.scroll.Offset.Y:
		f.scroll.Offset.Y = top
	case bottom > f.scroll.Offset.Y+height:
		f.scroll.Offset.Y = bottom - height
	}
	f.clamp()
	f.place(false)
	f.scroll.Refresh()
}

// lead is the empty space above the first row: the rows of a short chat stand at the foot.
func (f *Feed) lead() float32 {
	if !f.ToEnd || f.FromTop {
		return 0
	}
	return max(0, f.scroll.Size().Height-f.total())
}

// first returns the index of the first visible row.
func (f *Feed) first() int {
	y := f.scroll.Offset.Y
	return sort.Search(f.Rows(), func(i int) bool { return f.tops[i+1] > y })
}

func (f *Feed) scrolled() {
	f.place(false)
	// Two screens before the top there is still time to fetch what is above.
	if f.NearTop != nil && f.scroll.Offset.Y < 2*f.scroll.Size().Height {
		f.NearTop()
	}
}

// place makes the visible rows exist where they belong; all says that also the rows that were
// visible before are to be filled anew.
func (f *Feed) place(all bool) {
	if f.width <= 0 || f.scroll.Size().Height <= 0 {
		return
	}
	from := f.first()
	to := from
	end := f.scroll.Offset.Y + f.scroll.Size().Height
	for to < f.Rows() && f.tops[to] < end {
		to++
	}
	for i, o := range f.live {
		if i < from || i >= to || f.Source.Kind(i) != f.kinds[i] {
			f.spare[f.kinds[i]] = append(f.spare[f.kinds[i]], o)
			delete(f.live, i)
			delete(f.kinds, i)
		}
	}
	f.body.Objects = f.body.Objects[:0]
	for i := from; i < to; i++ {
		f.body.Objects = append(f.body.Objects, f.row(i, all))
	}
	f.keepKeys(from, to)
	canvas.Refresh(f.body)
}

func (f *Feed) keepKeys(from, to int) {
	if f.Source.Key == nil {
		return
	}
	clear(f.keys)
	for i := from; i < to; i++ {
		f.keys[i] = f.Source.Key(i)
	}
}

// row returns the drawing of row i at its place.
func (f *Feed) row(i int, fill bool) fyne.CanvasObject {
	o, ok := f.live[i]
	if !ok {
		fill = true
		kind := f.Source.Kind(i)
		if s := f.spare[kind]; len(s) > 0 {
			o, f.spare[kind] = s[len(s)-1], s[:len(s)-1]
		} else {
			o = f.Source.Create(kind)
		}
		f.live[i], f.kinds[i] = o, kind
	}
	o.Move(fyne.NewPos(0, f.lead()+f.tops[i]))
	if fill {
		f.Source.Update(i, o)
	}
	o.Resize(fyne.NewSize(f.width, f.tops[i+1]-f.tops[i]))
	return o
}

// FocusGained implements fyne.Focusable.
func (f *Feed) FocusGained() {
	f.focused = true
	if f.cursor < 0 {
		f.cursor = f.next(-1, 1)
	}
	f.place(true)
}

// FocusLost implements fyne.Focusable.
func (f *Feed) FocusLost() {
	f.focused = false
	f.place(true)
}

// TypedRune implements fyne.Focusable.
func (f *Feed) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (f *Feed) TypedKey(ev *fyne.KeyEvent) {
	page := f.scroll.Size().Height - 40
	switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
	case fyne.KeyDown:
		f.step(1, 40)
	case fyne.KeyUp:
		f.step(-1, -40)
	case fyne.KeyPageDown:
		f.scrollBy(page)
	case fyne.KeyPageUp:
		f.scrollBy(-page)
	case fyne.KeyHome:
		f.scrollBy(-f.total())
	case fyne.KeyEnd:
		f.scrollBy(f.total())
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		f.chosen(ev.Name != fyne.KeySpace)
	default:
		forwardKey(f, ev)
	}
}

// chosen is Enter or Space at the row of the keyboard.
func (f *Feed) chosen(enter bool) {
	if f.Source.Choose == nil || f.cursor < 0 || f.cursor >= f.Rows() {
		return
	}
	if enter && f.Source.Enter != nil && f.Source.Enter(f.cursor) {
		return
	}
	f.Source.Choose(f.cursor)
}

func (f *Feed) scrollBy(d float32) {
	f.scroll.Offset.Y += d
	f.clamp()
	f.scrolled()
	f.scroll.Refresh()
}

// step moves the cursor by one row, or where rows cannot be chosen scrolls by d.
func (f *Feed) step(by int, d float32) {
	if f.Source.Choose == nil {
		f.scrollBy(d)
		return
	}
	if to := f.next(f.cursor, by); to >= 0 {
		f.cursor = to
	}
	f.place(true)
	f.Reveal(f.cursor)
}

// SetCursor puts the keyboard at row i.
func (f *Feed) SetCursor(i int) { f.cursor = i }

// next returns the next row from i that can be chosen, or -1.
func (f *Feed) next(i, by int) int {
	for i += by; i >= 0 && i < f.Rows(); i += by {
		if f.Source.Still == nil || !f.Source.Still(i) {
			return i
		}
	}
	return -1
}
