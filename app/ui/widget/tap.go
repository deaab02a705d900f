package widget

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Tap makes any content a button: a card of the first start, the quality bars, a row of settings.
type Tap struct {
	pressable
	OnTapped func()

	content fyne.CanvasObject
	radius  float32
	pad     Insets
	ground  fyne.ThemeColorName
}

// NewTap returns content that can be clicked.
func NewTap(
	label string,
	ground fyne.ThemeColorName,
	radius float32,
	pad Insets,
	content fyne.CanvasObject,
	tapped func(),
) *Tap {
	t := &Tap{OnTapped: tapped, content: content, radius: radius, pad: pad, ground: ground}
	t.extend(t, label, func() {
		if t.OnTapped != nil {
			t.OnTapped()
		}
	})
	return t
}

// CreateRenderer implements fyne.Widget.
func (t *Tap) CreateRenderer() fyne.WidgetRenderer {
	r := &tapRenderer{
		t:      t,
		ground: canvas.NewRectangle(color.Transparent),
		over:   canvas.NewRectangle(color.Transparent),
	}
	r.paint()
	return r
}

type tapRenderer struct {
	t            *Tap
	ground, over *canvas.Rectangle
}

func (r *tapRenderer) Destroy() {}

func (r *tapRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.ground, r.over, r.t.content}
}

func (r *tapRenderer) MinSize() fyne.Size {
	p := r.t.pad
	return r.t.content.MinSize().AddWidthHeight(p.Left+p.Right, p.Top+p.Bottom)
}

func (r *tapRenderer) Layout(s fyne.Size) {
	r.ground.Resize(s)
	r.over.Resize(s)
	p := r.t.pad
	r.t.content.Move(fyne.NewPos(p.Left, p.Top))
	r.t.content.Resize(s.SubtractWidthHeight(p.Left+p.Right, p.Top+p.Bottom))
}

func (r *tapRenderer) paint() {
	r.ground.CornerRadius, r.over.CornerRadius = r.t.radius, r.t.radius
	r.ground.FillColor = theme.Color(r.t.ground)
	r.over.FillColor, r.over.StrokeWidth = color.Transparent, 0
	if r.t.hovered {
		r.over.FillColor = theme.Color(theme.Hover)
	}
	if r.t.focused {
		r.over.StrokeColor, r.over.StrokeWidth = theme.Color(theme.Accent), 2
	}
}

func (r *tapRenderer) Refresh() {
	r.paint()
	r.Layout(r.t.Size())
	canvas.Refresh(r.ground)
	canvas.Refresh(r.over)
}

// Tabs are the words at the foot of the list, one of which is chosen.
type Tabs struct {
	fynewidget.BaseWidget
	OnChanged func(i int)

	buttons []*tabButton
	chosen  int
}

// NewTabs returns tabs with the first chosen; icons and words have the same length.
func NewTabs(icons, words []string) *Tabs {
	t := &Tabs{}
	for i := range words {
		b := &tabButton{icon: icons[i], word: words[i], on: i == 0}
		b.extend(b, words[i], func() { t.Choose(i) })
		t.buttons = append(t.buttons, b)
	}
	t.ExtendBaseWidget(t)
	return t
}

// Chosen returns the index of the chosen tab.
func (t *Tabs) Chosen() int { return t.chosen }

// SetBadge shows a count at tab i, for what the user has not seen there; 0 shows none.
func (t *Tabs) SetBadge(i, n int) {
	if b := t.buttons[i]; b.count != n {
		b.count = n
		b.Label = b.word
		if n > 0 {
			b.Label += " (" + strconv.Itoa(n) + ")"
		}
		b.Refresh()
	}
}

// Badge returns the count at tab i.
func (t *Tabs) Badge(i int) int { return t.buttons[i].count }

// Choose shows tab i and tells OnChanged if it was another.
func (t *Tabs) Choose(i int) {
	if i == t.chosen {
		return
	}
	t.chosen = i
	for j, b := range t.buttons {
		b.on = j == i
		b.Refresh()
	}
	if t.OnChanged != nil {
		t.OnChanged(i)
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Tabs) CreateRenderer() fyne.WidgetRenderer {
	objects := make([]fyne.CanvasObject, 0, len(t.buttons))
	for _, b := range t.buttons {
		objects = append(objects, b)
	}
	return &tabsRenderer{objects}
}

type tabsRenderer struct{ objects []fyne.CanvasObject }

func (r *tabsRenderer) Destroy()                     {}
func (r *tabsRenderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *tabsRenderer) MinSize() fyne.Size           { return fyne.NewSize(200, 56) }
func (r *tabsRenderer) Refresh() {
	for _, o := range r.objects {
		o.Refresh()
	}
}

func (r *tabsRenderer) Layout(s fyne.Size) {
	w := s.Width / float32(len(r.objects))
	for i, o := range r.objects {
		o.Move(fyne.NewPos(w*float32(i), 0))
		o.Resize(fyne.NewSize(w, s.Height))
	}
}

// tabButton is one tab: an icon above a word; the chosen one has a tonal ground behind its icon.
type tabButton struct {
	pressable
	icon, word string
	on         bool
	count      int
}

func (b *tabButton) CreateRenderer() fyne.WidgetRenderer {
	style := Style{Size: 11, Align: fyne.TextAlignCenter, Color: theme.Quiet}
	r := &tabRenderer{
		b:      b,
		ground: canvas.NewRectangle(color.Transparent),
		icon:   NewIcon(b.icon, theme.Quiet, 18),
		word:   NewText(b.word, style),
		badge:  NewBadge(),
	}
	r.ground.CornerRadius = 13
	r.Refresh()
	return r
}

type tabRenderer struct {
	b      *tabButton
	ground *canvas.Rectangle
	icon   *Icon
	word   *Text
	badge  *Badge
}

func (r *tabRenderer) Destroy() {}
func (r *tabRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.ground, r.icon, r.word, r.badge}
}
func (r *tabRenderer) MinSize() fyne.Size { return fyne.NewSize(60, 56) }
func (r *tabRenderer) Layout(s fyne.Size) {
	x := s.Width / 2
	r.ground.Move(fyne.NewPos(x-26, 6))
	r.ground.Resize(fyne.NewSize(52, 26))
	r.icon.Move(fyne.NewPos(x-9, 10))
	r.icon.Resize(fyne.NewSquareSize(18))
	r.word.Move(fyne.NewPos(0, 34))
	r.word.Resize(fyne.NewSize(s.Width, 16))
	badge := r.badge.MinSize()
	r.badge.Move(fyne.NewPos(x+8, 2))
	r.badge.Resize(badge)
}

func (r *tabRenderer) Refresh() {
	ink := theme.Quiet
	r.ground.FillColor, r.ground.StrokeWidth = color.Transparent, 0
	if r.b.hovered {
		r.ground.FillColor = theme.Color(theme.Hover)
	}
	if r.b.on {
		ink = theme.Text
		r.ground.FillColor = theme.Color(theme.Selection)
	}
	if r.b.focused {
		r.ground.StrokeColor, r.ground.StrokeWidth = theme.Color(theme.Accent), 2
	}
	r.icon.Set(r.b.icon, ink)
	r.word.SetColor(ink)
	r.badge.Set(r.b.count)
	r.Layout(r.b.Size())
	r.icon.Refresh()
	r.word.Refresh()
	canvas.Refresh(r.ground)
}

// Click makes content clickable that the keyboard reaches by another part: it takes no focus.
type Click struct {
	fynewidget.BaseWidget
	content fyne.CanvasObject
	tapped  func()
}

// NewClick returns content that can be clicked.
func NewClick(content fyne.CanvasObject, tapped func()) *Click {
	c := &Click{content: content, tapped: tapped}
	c.ExtendBaseWidget(c)
	return c
}

// Tapped implements fyne.Tappable.
func (c *Click) Tapped(*fyne.PointEvent) { c.tapped() }

// Cursor implements desktop.Cursorable.
func (c *Click) Cursor() desktop.Cursor { return desktop.PointerCursor }

// CreateRenderer implements fyne.Widget.
func (c *Click) CreateRenderer() fyne.WidgetRenderer { return fynewidget.NewSimpleRenderer(c.content) }
