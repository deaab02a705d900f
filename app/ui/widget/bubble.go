package widget

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// BubbleData is what a Bubble shows.
type BubbleData struct {
	Outgoing bool
	Text     string
	Time     string
	Mark     string // icon after the time: "clock", "check", "check-double"; "" for none
	First    bool   // of a group of one person's messages
	Last     bool
	Below    string // a quiet sentence under the bubble: why it waits or failed
	Action   string // a link after the sentence: "Try again"; "" for none
	Alert    bool   // the sentence asks the user to act
}

// Bubble is one message: text on a rounded ground, the time and the state in its last line, and if
// need be a sentence with a link below.
type Bubble struct {
	fynewidget.BaseWidget
	OnAction    func()                 // the link
	OnSecondary func(at fyne.Position) // right click

	d BubbleData
}

// The measures of a bubble, in canvas units.
const (
	bubblePadX  float32 = 12
	bubblePadY  float32 = 7
	bubbleLine  float32 = 20 // height of a line of text
	bubbleSide  float32 = 20 // distance to the edge of the pane
	bubbleMost  float32 = 560
	bubbleNear  float32 = 2 // between the bubbles of a group
	bubbleApart float32 = 10
	belowHeight float32 = 22
	timeSize    float32 = 11
	tailRadius  float32 = 4
)

var (
	_ fyne.SecondaryTappable = (*Bubble)(nil)
	_ fyne.Accessible        = (*Bubble)(nil)
)

// NewBubble returns an empty bubble.
func NewBubble() *Bubble {
	b := &Bubble{}
	b.ExtendBaseWidget(b)
	return b
}

// Set fills the bubble.
func (b *Bubble) Set(d BubbleData) {
	if b.d == d {
		return
	}
	b.d = d
	b.Refresh()
}

// Data returns what the bubble shows.
func (b *Bubble) Data() BubbleData { return b.d }

// TappedSecondary implements fyne.SecondaryTappable.
func (b *Bubble) TappedSecondary(ev *fyne.PointEvent) {
	if b.OnSecondary != nil {
		b.OnSecondary(ev.AbsolutePosition)
	}
}

// AccessibilityLabel implements fyne.Accessible.
func (b *Bubble) AccessibilityLabel() string { return b.d.Time + ": " + b.d.Text }

// AccessibilityRole implements fyne.Accessible.
func (b *Bubble) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// Wrap breaks text into lines of at most width, at spaces where there are any.
func Wrap(text string, size, width float32) []string {
	var lines []string
	for para := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapParagraph(strings.TrimRight(para, " \r\t"), size, width)...)
	}
	return lines
}

func wrapParagraph(para string, size, width float32) []string {
	if measure(para, size, false).Width <= width {
		return []string{para}
	}
	space := measure(" ", size, false).Width
	var lines []string
	line, used := "", float32(0)
	for word := range strings.SplitSeq(para, " ") {
		w := measure(word, size, false).Width
		if line != "" && used+space+w <= width {
			line, used = line+" "+word, used+space+w
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		for w > width { // one word longer than a line is cut
			cut := fits(word, size, width)
			lines = append(lines, word[:cut])
			word = word[cut:]
			w = measure(word, size, false).Width
		}
		line, used = word, w
	}
	return append(lines, line)
}

// fits returns how many bytes of word, whole runes and at least one, fit into width.
func fits(word string, size, width float32) int {
	starts := make([]int, 0, len(word)+1)
	for i := range word {
		starts = append(starts, i)
	}
	starts = append(starts, len(word))
	low, high := 1, len(starts)-1
	for low < high {
		mid := (low + high + 1) / 2
		if measure(word[:starts[mid]], size, false).Width <= width {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return starts[low]
}

// bubbleShape is where everything in a bubble goes, for one width of the pane.
type bubbleShape struct {
	lines       []string
	width       float32 // of the ground
	height      float32
	timeBelow   bool // the time does not fit into the last line
	stampWidth  float32
	widestText  float32
	groundX     float32
	groundY     float32
	totalHeight float32
}

func shape(d BubbleData, pane float32) bubbleShape {
	most := max(120, min(bubbleMost, pane*0.78-2*bubbleSide)) - 2*bubblePadX
	s := bubbleShape{lines: Wrap(d.Text, theme.SizeText, most)}
	for _, l := range s.lines {
		s.widestText = max(s.widestText, measure(l, theme.SizeText, false).Width)
	}
	s.stampWidth = measure(d.Time, timeSize, false).Width
	if d.Mark != "" {
		s.stampWidth += 18
	}
	last := measure(s.lines[len(s.lines)-1], theme.SizeText, false).Width
	inner := max(s.widestText, s.stampWidth)
	if last+3*theme.Step+s.stampWidth <= most {
		inner = max(inner, last+3*theme.Step+s.stampWidth)
	} else {
		s.timeBelow = true
	}
	s.width = inner + 2*bubblePadX
	s.height = 2*bubblePadY + bubbleLine*float32(len(s.lines))
	if s.timeBelow {
		s.height += 16
	}
	s.groundX = bubbleSide
	if d.Outgoing {
		s.groundX = pane - bubbleSide - s.width
	}
	s.groundY = bubbleNear
	if d.First {
		s.groundY = bubbleApart
	}
	s.totalHeight = s.groundY + s.height
	if d.Below != "" || d.Action != "" {
		s.totalHeight += belowHeight
	}
	return s
}

// BubbleHeight returns the height a bubble needs in a pane of the given width.
func BubbleHeight(d BubbleData, pane float32) float32 { return shape(d, pane).totalHeight }

// CreateRenderer implements fyne.Widget.
func (b *Bubble) CreateRenderer() fyne.WidgetRenderer {
	r := &bubbleRenderer{
		b:      b,
		ground: canvas.NewRectangle(color.Transparent),
		time:   canvas.NewText("", color.Black),
		mark: canvas.NewImageFromResource(
			nil,
		),
		below: NewText("", Caption()),
		alert: NewIcon("alert", theme.Attention, 14),
	}
	r.mark.FillMode = canvas.ImageFillContain
	r.time.TextSize = timeSize
	r.action = newLink(func() {
		if b.OnAction != nil {
			b.OnAction()
		}
	})
	r.Refresh()
	return r
}

type bubbleRenderer struct {
	b      *Bubble
	ground *canvas.Rectangle
	texts  []*canvas.Text
	time   *canvas.Text
	mark   *canvas.Image
	below  *Text
	alert  *Icon
	action *link
}

func (r *bubbleRenderer) Destroy()           {}
func (r *bubbleRenderer) MinSize() fyne.Size { return fyne.NewSize(120, 30) }

func (r *bubbleRenderer) Objects() []fyne.CanvasObject {
	o := []fyne.CanvasObject{r.ground}
	for _, t := range r.texts {
		o = append(o, t)
	}
	return append(o, r.time, r.mark, r.alert, r.below, r.action)
}

func (r *bubbleRenderer) Layout(size fyne.Size) {
	if size.Width <= 0 {
		return
	}
	d := r.b.d
	s := shape(d, size.Width)
	r.setLines(s.lines)
	r.ground.Move(fyne.NewPos(s.groundX, s.groundY))
	r.ground.Resize(fyne.NewSize(s.width, s.height))
	x, y := s.groundX+bubblePadX, s.groundY+bubblePadY
	for i, t := range r.texts {
		t.Move(fyne.NewPos(x, y+float32(i)*bubbleLine+(bubbleLine-t.MinSize().Height)/2))
		t.Resize(t.MinSize())
	}
	right := s.groundX + s.width - bubblePadX
	base := s.groundY + s.height - bubblePadY - 15
	stamp := right - s.stampWidth
	r.time.Move(fyne.NewPos(stamp, base+1))
	r.time.Resize(r.time.MinSize())
	r.mark.Resize(fyne.NewSquareSize(14))
	r.mark.Move(fyne.NewPos(right-14, base+2))
	r.layoutBelow(s, size)
}

func (r *bubbleRenderer) layoutBelow(s bubbleShape, size fyne.Size) {
	d := r.b.d
	y := s.groundY + s.height + 3
	actionWidth := float32(0)
	if d.Action != "" {
		actionWidth = r.action.MinSize().Width
	}
	iconWidth := float32(0)
	if d.Alert {
		iconWidth = 18
	}
	gap := float32(0)
	if d.Action != "" {
		gap = 2 * theme.Step
	}
	room := size.Width - 2*bubbleSide - actionWidth - iconWidth - gap
	text := min(room, measure(d.Below, theme.SizeCaption, false).Width+1)
	x := s.groundX + theme.Step
	if d.Outgoing {
		x = size.Width - bubbleSide - actionWidth - iconWidth - text - gap
	}
	r.alert.Move(fyne.NewPos(x, y+2))
	r.alert.Resize(fyne.NewSquareSize(14))
	r.below.Move(fyne.NewPos(x+iconWidth, y))
	r.below.Resize(fyne.NewSize(text, 18))
	r.action.Move(fyne.NewPos(x+iconWidth+text+gap, y))
	r.action.Resize(fyne.NewSize(actionWidth, 18))
}

func (r *bubbleRenderer) setLines(lines []string) {
	ink := theme.Color(theme.Text)
	if r.b.d.Outgoing {
		ink = theme.Color(theme.OnAccent)
	}
	for len(r.texts) < len(lines) {
		r.texts = append(r.texts, canvas.NewText("", ink))
	}
	r.texts = r.texts[:len(lines)]
	for i, l := range lines {
		t := r.texts[i]
		if t.Text != l || t.Color != ink {
			t.Text, t.Color, t.TextSize = l, ink, theme.SizeText
			canvas.Refresh(t)
		}
	}
}

func (r *bubbleRenderer) Refresh() {
	d := r.b.d
	ground, quiet := theme.Raised, theme.Quiet
	if d.Outgoing {
		ground, quiet = theme.Accent, theme.QuietAccent
	}
	r.ground.FillColor = theme.Color(ground)
	c := func(joined bool) float32 {
		if joined {
			return tailRadius
		}
		return theme.RadiusCard
	}
	// The corner next to the neighbour of the same group is nearly square.
	r.ground.CornerRadius = theme.RadiusCard
	r.ground.TopLeftCornerRadius, r.ground.BottomLeftCornerRadius = theme.RadiusCard, theme.RadiusCard
	r.ground.TopRightCornerRadius, r.ground.BottomRightCornerRadius = theme.RadiusCard, theme.RadiusCard
	if d.Outgoing {
		r.ground.TopRightCornerRadius, r.ground.BottomRightCornerRadius = c(!d.First), c(!d.Last)
	} else {
		r.ground.TopLeftCornerRadius, r.ground.BottomLeftCornerRadius = c(!d.First), c(!d.Last)
	}
	r.time.Text, r.time.Color = d.Time, theme.Color(quiet)
	r.mark.Hidden = d.Mark == ""
	if d.Mark != "" {
		setIcon(r.mark, d.Mark, quiet)
	}
	r.alert.Hidden, r.below.Hidden, r.action.Hidden = !d.Alert, d.Below == "", d.Action == ""
	r.below.SetText(d.Below)
	r.action.set(d.Action)
	r.Layout(r.b.Size())
	canvas.Refresh(r.ground)
	canvas.Refresh(r.time)
	r.below.Refresh()
	r.alert.Refresh()
}

// link is a word in the accent colour that can be clicked.
type link struct {
	fynewidget.BaseWidget
	text   string
	tapped func()
}

func newLink(tapped func()) *link {
	l := &link{tapped: tapped}
	l.ExtendBaseWidget(l)
	return l
}

// NewLink returns a word in the accent colour that does something.
func NewLink(text string, tapped func()) fyne.CanvasObject {
	l := newLink(tapped)
	l.text = text
	return l
}

func (l *link) set(s string) {
	if l.text != s {
		l.text = s
		l.Refresh()
	}
}

// Tapped implements fyne.Tappable.
func (l *link) Tapped(*fyne.PointEvent) { l.tapped() }

// Cursor implements desktop.Cursorable.
func (l *link) Cursor() desktop.Cursor { return desktop.PointerCursor }

// CreateRenderer implements fyne.Widget.
func (l *link) CreateRenderer() fyne.WidgetRenderer {
	t := canvas.NewText(l.text, theme.Color(theme.Accent))
	t.TextSize, t.TextStyle.Bold = theme.SizeCaption, true
	return &linkRenderer{l: l, t: t}
}

type linkRenderer struct {
	l *link
	t *canvas.Text
}

func (r *linkRenderer) Destroy()                     {}
func (r *linkRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.t} }
func (r *linkRenderer) MinSize() fyne.Size           { return r.t.MinSize() }
func (r *linkRenderer) Layout(s fyne.Size)           { r.t.Resize(s) }
func (r *linkRenderer) Refresh() {
	r.t.Text, r.t.Color = r.l.text, theme.Color(theme.Accent)
	canvas.Refresh(r.t)
}
