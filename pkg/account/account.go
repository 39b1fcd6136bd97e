// Package account holds the words for our customers: account, user, member, role,
// connection, schedule, credential.
package account

import (
	"log/slog"
	"time"
)

// ID types are UUIDs in text form; the database makes them (version 7).
type (
	ID           string // of an Account
	UserID       string // of a User
	ConnectionID string // of a Connection
)

// Account is our customer; every row and every object belongs to one.
type Account struct {
	ID      ID
	Name    string
	Created time.Time
}

// User is a person who signs in; members say to which accounts.
type User struct {
	ID    UserID
	Email string
}

// Org is where a provider is reached, and how much of it we may use.
type Org struct {
	URL string // https://acme.okta.com, no trailing slash, no -admin host
	// Share of each of the provider's rate limits that we use, over 0 up to 1; zero: a half.
	Share float64
	// Demo: it lives in the operator's simulator, whatever its URL says.
	Demo bool
}

// Purpose says what a credential is for.
type Purpose string

// The purposes. They are separate service apps in the customer's org.
const (
	Read  Purpose = "read"
	Write Purpose = "write"
)

// Credential signs in to an org as a service app.
type Credential struct {
	Purpose    Purpose
	ClientID   string
	KeyID      string
	PrivateKey Secret // PKCS#8 PEM
	Scopes     []string
}

// Secret is text that must not be shown: it prints and logs as "sealed".
type Secret string

// String hides the secret.
func (Secret) String() string { return "sealed" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "sealed" }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("sealed") }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

// Reveal gives the text itself, at the one place that uses it.
func (s Secret) Reveal() string { return string(s) }

// Connection binds one org to one account.
type Connection struct {
	ID       ConnectionID
	Account  ID
	Provider string
	Name     string
	Org      Org
	// Follow is how often the org's log is read; zero: every minute.
	Follow time.Duration
}

// Schedule says when snapshots of a connection are taken.
type Schedule struct {
	Connection ConnectionID
	Cron       string // five fields
	TimeZone   string // IANA name
	Enabled    bool
}
