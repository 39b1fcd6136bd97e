package org

import (
	"slices"

	"imago/services/oktasim/internal/failure"
)

// activate makes a user PROVISIONED, or ACTIVE with a password.
func (o *Org) activate(by *Cause, u *User) {
	status := Provisioned
	if u.HasPassword {
		status = Active
	}
	o.setUserStatus(u, status)
	u.Activated = u.StatusChanged
	o.Note(by, "user.lifecycle.activate", nil, u.Party())
}

// expireFirst makes a new person with a password choose another one.
func (o *Org) expireFirst(by *Cause, u *User, asked bool) {
	if asked && u.Status == Active {
		o.setUserStatus(u, Expired)
		o.Note(by, "user.account.expire_password", nil, u.Party())
	}
}

// transition is a lifecycle operation that moves a user from some statuses to another.
type transition struct {
	name  string
	from  []string
	to    string
	event string
	// refusal answers users in other statuses.
	refusal *failure.Failure
}

// transitions are the operations beside activate and deactivate (documented).
func transitions() []transition {
	people := []string{Active, Provisioned, Expired, Recovery, LockedOut}
	return []transition{
		{"suspend", []string{Active}, Suspended, "user.lifecycle.suspend", failure.Invalid("suspendUser", "Cannot suspend a user that is not active")},
		{"unsuspend", []string{Suspended}, Active, "user.lifecycle.unsuspend",
			failure.Invalid("unsuspendUser", "Cannot unsuspend a user that is not suspended")},
		{"unlock", []string{LockedOut}, Active, "user.account.unlock_by_admin", failure.NotLocked()},
		{"reactivate", []string{Provisioned, Recovery}, Provisioned, "user.lifecycle.reactivate", failure.WrongStatus()},
		{"expire_password", []string{Active, Expired}, Expired, "user.account.expire_password", failure.WrongStatus()},
		{"expire_password_with_temp_password", people, Expired, "user.account.expire_password", failure.WrongStatus()},
		{"reset_password", people, Recovery, "user.account.reset_password", failure.WrongStatus()},
	}
}

// UserOperations are the names of the lifecycle operations.
func UserOperations() []string {
	names := []string{"activate", "deactivate", "reset_factors"}
	for _, t := range transitions() {
		names = append(names, t.name)
	}
	return names
}

// ChangeUserStatus performs a lifecycle operation.
func (o *Org) ChangeUserStatus(by *Cause, u *User, operation string) error {
	switch operation {
	case "activate":
		if u.Status != Staged && u.Status != Deprovisioned {
			return failure.AlreadyActive()
		}
		o.activate(by, u)
	case "deactivate":
		if u.Status == Deprovisioned {
			return failure.WrongStatus()
		}
		o.deactivate(by, u)
	case "reset_factors":
		o.ResetFactors(by, u)
	default:
		if err := o.transit(by, u, operation); err != nil {
			return err
		}
	}
	o.follow(by, u)
	return nil
}

func (o *Org) transit(by *Cause, u *User, operation string) error {
	all := transitions()
	i := slices.IndexFunc(all, func(t transition) bool { return t.name == operation })
	if i < 0 {
		return failure.NoPath()
	}
	t := all[i]
	if !slices.Contains(t.from, u.Status) {
		return t.refusal
	}
	o.setUserStatus(u, t.to)
	o.Note(by, t.event, nil, u.Party())
	return nil
}
