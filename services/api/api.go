// Package api is the only part of Imago that is reachable from outside: Connect and
// REST from one contract, sign-in, and who may do what. It seals credentials to the
// workers and cannot open them; it opens snapshots, plans of restores and findings for
// signed-in members, which is counted and written to the activity log. A list of
// findings, which the alert mails have told, is not.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"imago/pkg/billing"
	"imago/pkg/blob"
	"imago/pkg/envelope"
	"imago/pkg/notify"
	"imago/pkg/postgres"
	"imago/pkg/postgres/keyrings"
	"imago/pkg/provider"
	"imago/pkg/repository"
)

// Deps is what the api works with; all of it is needed but Billing, MailEvents and Now.
type Deps struct {
	DB       *postgres.DB
	Store    blob.Store          // of snapshots; only read
	Keys     envelope.KeyService // wraps accounts' keyrings
	Box      *envelope.PublicKey // the workers'; seals credentials
	Provider provider.Provider   // for its name and catalog, and to ask an address which org it is
	// MailEvents reads the mail provider's notifications; nil: there are none.
	MailEvents notify.Listener
	Billing    billing.Processor // nil: nothing is sold, and nothing is limited
	Log        *slog.Logger
	Metrics    prometheus.Registerer
	Now        func() time.Time // nil: time.Now
}

// Service is the api.
type Service struct {
	Deps
	config     Config
	log        *slog.Logger
	now        func() time.Time
	metrics    *metrics
	keyrings   *keyrings.Keyrings
	relying    *webauthn.WebAuthn // nil: there are no passkeys here
	identities identities
	streams    streams
	indexes    *indexes
	cache      *repository.Cache  // of small sealed objects
	building   singleflight.Group // of indexes
	handler    http.Handler
}

// cached is how many bytes of small sealed objects stay in memory: whoever looks at a
// snapshot looks at it again, and its neighbours stand on the same.
const cached = 16 << 20

// New makes the api; a permission table that does not fit the contract is an error.
func New(c Config, d Deps) (*Service, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkPermissions(permissions, procedures()); err != nil {
		return nil, err
	}
	s := &Service{Deps: d, config: c, log: d.Log, now: d.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.cache = repository.NewCache(cached)
	s.indexes = newIndexes(indexBytes, indexIdle, s.now)
	s.keyrings = keyrings.New(d.DB, d.Keys, keyrings.Options{Now: s.now})
	if s.metrics, err = newMetrics(d.Metrics); err != nil {
		return nil, err
	}
	if s.relying, err = relyingParty(c.PublicURL); err != nil {
		return nil, err
	}
	s.identities = s.openIdentities()
	if s.handler, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Ready reports whether the api can do its work: the check of /readyz.
func (s *Service) Ready(ctx context.Context) error { return s.DB.Ready(ctx) }
