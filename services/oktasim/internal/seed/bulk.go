package seed

import (
	"fmt"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

var bulkDepartments = []string{"Engineering", "Sales", "Finance", "People", "Marketing", "Support", "IT", "Legal"}

// bulk makes as many objects as the plan says.
func (b *builder) bulk(p Plan) {
	users := make([]*org.User, p.Users)
	for i := range users {
		who := b.somebody(i, bulkDepartments[i%len(bulkDepartments)], "Specialist")
		who.suffix = fmt.Sprintf("%d", i)
		users[i] = b.user(who)
	}
	groups := make([]*org.Group, p.Groups)
	for i := range groups {
		groups[i] = b.group(fmt.Sprintf("Group %05d", i), fmt.Sprintf("Seeded group number %d", i))
	}
	b.bulkMemberships(users, groups, p.Memberships)
	for i := range p.Zones {
		b.zone(doc.Doc{"type": "IP", "name": fmt.Sprintf("Zone %04d", i), "gateways": []any{
			doc.Doc{"type": "CIDR", "value": fmt.Sprintf("10.%d.%d.0/24", i/256%256, i%256)}}})
	}
	for i := range p.Apps {
		b.bulkApp(i, groups)
	}
	for i := range p.Policies {
		b.bulkPolicy(i, groups)
	}
	for i := range p.Rules {
		b.bulkRule(i, groups)
	}
}

// bulkMemberships spreads n memberships evenly over the groups, and each group's over
// the users with a stride of its own.
func (b *builder) bulkMemberships(users []*org.User, groups []*org.Group, n int) {
	if b.err != nil || len(groups) == 0 {
		return
	}
	for i, g := range groups {
		share := n / len(groups)
		if i < n%len(groups) {
			share++
		}
		start := b.rand.IntN(max(1, len(users)))
		b.step(func() error {
			for j := range share {
				if err := b.org.AddMember(nil, g, users[(start+j)%len(users)]); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func (b *builder) bulkApp(i int, groups []*org.Group) {
	label := fmt.Sprintf("App %05d", i)
	var assigned []string
	if b.err == nil && len(groups) > 0 {
		assigned = []string{groups[i%len(groups)].ID}
	}
	switch i % 3 {
	case 0:
		b.app(oidc(label, "web", fmt.Sprintf("https://app%d.%s/callback", i, domain)), assigned...)
	case 1:
		b.app(saml(label), assigned...)
	default:
		b.app(bookmark(label), assigned...)
	}
}

func (b *builder) bulkPolicy(i int, groups []*org.Group) {
	if b.err != nil {
		return
	}
	var conditions doc.Doc
	if len(groups) > 0 {
		conditions = people("include", groups[i%len(groups)].ID)
	}
	name := fmt.Sprintf("Policy %05d", i)
	if i%2 == 0 || !b.org.IsOIE() {
		b.policy(doc.Doc{"type": "OKTA_SIGN_ON", "name": name, "conditions": conditions}, signOn("Rule", 120, nil))
		return
	}
	b.policy(doc.Doc{"type": "ACCESS_POLICY", "name": name}, appSignOn("Rule", 1, "2FA", conditions))
}

func (b *builder) bulkRule(i int, groups []*org.Group) {
	if b.err != nil {
		return
	}
	expression := fmt.Sprintf(`user.department=="%s" and user.city=="%s"`, bulkDepartments[i%len(bulkDepartments)], cities[i%len(cities)].name)
	b.rule(fmt.Sprintf("Rule %05d", i), expression, i%2 == 0, groups[i%len(groups)].ID)
}
