package notify

// EscrowMade tells owners that the account's keys were sealed to somebody's age recipient,
// who can open its backups from then on.
type EscrowMade struct {
	Account   Text
	By        Text   // address of who asked
	Recipient string // as it was parsed: age1…
}

func (EscrowMade) template() string { return "escrow_made" }

func (e EscrowMade) subject() string {
	return "[Imago] The keys of " + e.Account.String() + " were sealed to an age recipient"
}

func (e EscrowMade) foot() Foot {
	return Foot{Why: "Imago sends this because you are an owner of " + e.Account.String() + "."}
}

// Page shows the escrows.
func (EscrowMade) Page() string { return "/settings" }

// Short is the recipient in one line: a post-quantum one has two thousand characters.
func (e EscrowMade) Short() string { return e.Recipient[:min(66, len(e.Recipient))] }
