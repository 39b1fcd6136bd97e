package notify

import "time"

// AccountDeletion tells owners that the account is to be deleted.
type AccountDeletion struct {
	Account Text
	By      Text // address of who asked; "": they are no member any more
	Due     time.Time
}

func (AccountDeletion) template() string { return "account_deletion" }

func (a AccountDeletion) subject() string {
	return "[Imago] " + a.Account.String() + " is to be deleted on " + shownDay(a.Due)
}

func (a AccountDeletion) foot() Foot {
	return Foot{Why: "Imago sends this because you are an owner of " + a.Account.String() + "."}
}

// Page is where it is taken back.
func (AccountDeletion) Page() string { return "/settings" }

// Who is who asked, for a sentence.
func (a AccountDeletion) Who() Text {
	if a.By == "" {
		return "Somebody who is no member any more"
	}
	return a.By
}
