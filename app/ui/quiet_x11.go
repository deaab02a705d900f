//go:build !ci && cgo && linux

package ui

/*
#cgo pkg-config: x11
#include <X11/Xlib.h>
#include <X11/Xatom.h>
#include <X11/Xutil.h>

// accept_focus says whether the window manager may give a window the focus: the input field of its
// WM_HINTS (ICCCM 4.1.7), and before it is mapped also _NET_WM_USER_TIME, of which 0 asks not to be
// given the focus (Extended Window Manager Hints 1.5). GLFW asks for the focus of every window it
// shows; one that takes no input is not given it.
static void accept_focus(unsigned long window, int yes) {
	Display *d = XOpenDisplay(NULL);
	if (d == NULL) return;
	XWMHints *hints = XGetWMHints(d, window);
	if (hints == NULL) hints = XAllocWMHints();
	if (hints != NULL) {
		hints->flags |= InputHint;
		hints->input = yes ? True : False;
		XSetWMHints(d, window, hints);
		XFree(hints);
	}
	if (!yes) {
		unsigned long zero = 0;
		XChangeProperty(d, window, XInternAtom(d, "_NET_WM_USER_TIME", False), XA_CARDINAL, 32,
			PropModeReplace, (unsigned char *)&zero, 1);
	}
	XCloseDisplay(d);
}

// screen_width is the width of the screen in pixels, or 0.
static int screen_width(void) {
	Display *d = XOpenDisplay(NULL);
	if (d == NULL) return 0;
	int width = DisplayWidth(d, DefaultScreen(d));
	XCloseDisplay(d);
	return width;
}
*/
import "C"

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver"
	"fyne.io/fyne/v2/driver/desktop"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// ringMargin is the distance of the window of a call to the corner of the screen, in pixels.
const ringMargin = 32

// settled is how long after it was shown a window may be given the focus by a click: the window
// manager has long mapped it then.
const settled = 600 * time.Millisecond

// showQuietly shows a window at the upper right of the screen without taking the focus from the one
// that has it, as far as the window manager goes along. Fyne has no call for that: the window manager
// reads it from a property that must be there before the window is mapped. Under Wayland no program
// can take the focus by itself.
func showQuietly(w fyne.Window) {
	// Fyne reads the icon after it has made the window and before it shows it: the one moment in
	// which the property can be set.
	w.SetIcon(&quietIcon{Resource: theme.AppIcon(), window: w})
	if d, ok := w.(desktop.Window); ok {
		if width := int(C.screen_width()); width > 0 {
			d.RequestPosition(width-int(w.Canvas().Size().Width)-ringMargin, 2*ringMargin)
		}
	}
	w.Show()
	allow := fyne.NewAnimation(settled, func(done float32) {
		if done == 1 {
			acceptFocus(w, true)
		}
	})
	allow.Start()
}

// acceptFocus tells the window manager whether a click may give the window the focus.
func acceptFocus(w fyne.Window, yes bool) {
	n, ok := w.(driver.NativeWindow)
	if !ok {
		return
	}
	n.RunNative(func(context any) {
		if x, ok := context.(driver.X11WindowContext); ok && x.WindowHandle != 0 {
			on := C.int(0)
			if yes {
				on = 1
			}
			C.accept_focus(C.ulong(x.WindowHandle), on)
		}
	})
}

// quietIcon is the application's icon that marks its window as one that wants no focus when it is
// read.
type quietIcon struct {
	fyne.Resource
	window fyne.Window
}

// Content implements fyne.Resource.
func (q *quietIcon) Content() []byte {
	acceptFocus(q.window, false)
	return q.Resource.Content()
}
