package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what operators watch. No label holds directory data, an account, or
// anything that a client can choose.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	signIns  *prometheus.CounterVec
	opened   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_api_requests_total", Help: "Requests by RPC and Connect code (ok where there is none; the HTTP status of what is no RPC).",
		}, []string{"rpc", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imago_api_request_seconds", Help: "Time to answer, by RPC.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"rpc"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_api_sign_ins_total", Help: "Codes exchanged, by outcome.",
		}, []string{"outcome"}),
		opened: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_api_opened_total", Help: "Directory data opened for a member: alarm on a surge. What: snapshot, restore, finding.",
		}, []string{"what"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.signIns, m.opened} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(rpc, code string, took time.Duration) {
	m.requests.WithLabelValues(rpc, code).Inc()
	m.seconds.WithLabelValues(rpc).Observe(took.Seconds())
}
