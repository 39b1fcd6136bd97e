package retry

import (
	"context"
	"time"
)

// watch ends a context when nothing happens for too long.
type watch struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// watched is a context that ends with errSlow unless the watch is reset in time.
func watched(ctx context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watch{time.AfterFunc(limit, func() { cancel(errSlow) }), cancel}
}

func (w *watch) reset(limit time.Duration) { w.timer.Reset(limit) }

func (w *watch) pause() { w.timer.Stop() }

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
