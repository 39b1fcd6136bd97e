package stripe

import "imago/pkg/billing"

// Prices are Stripe's prices of what is sold, as a program reads them from its environment.
type Prices struct {
	Standard string `env:"PRICE_STANDARD" help:"ID of Stripe's price of the Standard plan"`
	Business string `env:"PRICE_BUSINESS" help:"ID of Stripe's price of the Business plan"`
}

// ByPlan is for Options.
func (p Prices) ByPlan() map[billing.Plan]string {
	return map[billing.Plan]string{billing.Standard: p.Standard, billing.Business: p.Business}
}
