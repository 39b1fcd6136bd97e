package boot

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check is something that must hold for the program to be ready.
type check struct {
	name  string
	holds func(context.Context) error
}

// Health serves /healthz (the process lives) and /readyz (it is started, not about to
// end, and every check holds), for a program that has a public listener too.
func (p *Process) Health() http.Handler { return p.health(false) }

func (p *Process) health(metrics bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		p.answer(w, http.StatusOK, map[string]string{"live": "yes"})
	})
	mux.HandleFunc("GET /readyz", p.readyz)
	if metrics {
		mux.Handle("GET /metrics", promhttp.HandlerFor(p.Metrics, promhttp.HandlerOpts{Registry: p.Metrics}))
	}
	return mux
}

// readyz names the checks that do not hold; why is for the log alone.
func (p *Process) readyz(w http.ResponseWriter, r *http.Request) {
	if state := p.state.Load(); state != ready {
		p.answer(w, http.StatusServiceUnavailable, map[string]string{"ready": map[int32]string{starting: "starting", stopping: "stopping"}[state]})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	status, said := http.StatusOK, map[string]string{}
	for _, c := range p.checks {
		said[c.name] = "ok"
		if err := c.holds(ctx); err != nil {
			status, said[c.name] = http.StatusServiceUnavailable, "failed"
			p.Log.Warn("not ready", "check", c.name, "error", err)
		}
	}
	p.answer(w, status, said)
}

func (p *Process) answer(w http.ResponseWriter, status int, said map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(said); err != nil {
		p.Log.Debug("answer health", "error", err)
	}
}
