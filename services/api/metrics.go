package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what operators watch. No label holds directory data, an account, or
// anything that a client can choose.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	signIns  *prometheus.CounterVec
	opened   prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_api_requests_total", Help: "Requests by RPC and HTTP status.",
		}, []string{"rpc", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "imago_api_request_seconds", Help: "Time to answer, by RPC.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"rpc"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imago_api_sign_ins_total", Help: "Codes exchanged, by outcome.",
		}, []string{"outcome"}),
		opened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "imago_api_snapshots_opened_total", Help: "Snapshots opened for a member to browse or compare: alarm on a surge.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.signIns, m.opened} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(rpc string, status int, took time.Duration) {
	m.requests.WithLabelValues(rpc, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(rpc).Observe(took.Seconds())
}
