package standalone

import (
	"errors"

	"imago/pkg/billing"
	"imago/pkg/billing/stripe"
	"imago/pkg/boot"
)

// Payment is where plans are sold. Without a key, which is what one's own installation is
// without, nothing is sold, and nothing is limited.
type Payment struct {
	Key     boot.File `env:"KEY_FILE" help:"file with Stripe's key; absent: nothing is sold, and nothing is limited"`
	Webhook boot.File `env:"WEBHOOK_SECRET_FILE" help:"file with the secret of the endpoint /webhooks/stripe at Stripe"`
	stripe.Prices
	Host string `env:"HOST" help:"another server than Stripe's, for tests"`
}

// Validate tells what is missing to sell.
func (p Payment) Validate() error {
	if p.Key.Set() && !p.Webhook.Set() {
		return errors.New("WEBHOOK_SECRET_FILE: it is missing, and notifications would be refused")
	}
	_, err := p.processor()
	return err
}

// processor is nil where nothing is sold.
func (p Payment) processor() (billing.Processor, error) {
	if !p.Key.Set() {
		return nil, nil
	}
	return stripe.New(p.Key.Secret(), stripe.Options{
		Prices:        p.ByPlan(),
		WebhookSecret: p.Webhook.Secret(), Host: p.Host,
	})
}
