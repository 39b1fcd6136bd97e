package org

// Guise is how the log shows those who come with a token: from where, with what, and in
// which session. What is "" is as the request has it.
type Guise struct {
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	// Session is the externalSessionId; with one, no token stands in the log: somebody
	// works in the console.
	Session string `json:"session,omitempty"`
}

// Dress shows what somebody causes in a guise; nil leaves the cause as it is.
func (by *Cause) Dress(g *Guise) {
	if g == nil {
		return
	}
	if g.IP != "" {
		by.IP = g.IP
	}
	if g.UserAgent != "" {
		by.UserAgent = g.UserAgent
	}
	if g.Session != "" {
		by.Session, by.TokenID = g.Session, ""
	}
}

// ConsoleSession makes the id of a session in the console; how the ids of both engines begin
// is an assumption, from examples in Okta's documentation.
func (o *Org) ConsoleSession() string {
	if o.IsOIE() {
		return "idx" + o.ids.Secret(22)
	}
	return "102" + o.ids.Secret(22)
}

// HolderOf finds a user who holds a standard role and may work, the first by id; nil if
// there is none.
func (o *Org) HolderOf(role string) *User {
	for _, id := range o.UsersWithRoles("") {
		for _, r := range o.roles[id] {
			if u := o.users[id]; r.Type == role && u != nil && u.Status == Active {
				return u
			}
		}
	}
	return nil
}
