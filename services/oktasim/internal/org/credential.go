package org

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// CredentialsBody is what the org says of a user's credentials.
func (u *User) CredentialsBody() doc.Doc {
	c := doc.Doc{"provider": doc.Doc{"type": u.Provider, "name": u.Provider}}
	if u.HasPassword {
		c["password"] = doc.Doc{}
	}
	if u.RecoveryQuestion != "" {
		c["recovery_question"] = doc.Doc{"question": u.RecoveryQuestion}
	}
	return c
}

// credentials takes over what a body says of password and recovery question.
func (u *User) credentials(c doc.Doc, now Stamp) error {
	password := doc.Object(c, "password")
	if value := doc.String(password, "value"); value != "" {
		if err := u.setPassword(value, now); err != nil {
			return err
		}
	}
	if doc.Object(password, "hash") != nil {
		u.HasPassword, u.PasswordChanged, u.Provider, u.Password = true, now, "IMPORT", ""
	}
	if question := doc.Object(c, "recovery_question"); question != nil {
		return u.setQuestion(question)
	}
	return nil
}

// setPassword keeps a digest, which is enough to compare with.
func (u *User) setPassword(value string, now Stamp) error {
	if why := u.weakness(value); why != "" {
		return failure.Invalid("password", "password: Password requirements were not met. Password requirements: "+why)
	}
	u.HasPassword, u.PasswordChanged, u.Password = true, now, digest(u.ID, value)
	return nil
}

func digest(salt, value string) string {
	sum := sha256.Sum256([]byte(salt + "\x00" + value))
	return hex.EncodeToString(sum[:])
}

// weakness says what a password lacks; "" if it is strong enough. These are the
// requirements of the default policy (documented); others are not looked at.
func (u *User) weakness(value string) string {
	has := func(is func(rune) bool) bool { return strings.IndexFunc(value, is) >= 0 }
	name, _, _ := strings.Cut(strings.ToLower(u.Login()), "@")
	if len(value) >= 8 && has(unicode.IsLower) && has(unicode.IsUpper) && has(unicode.IsDigit) &&
		(len(name) < 4 || !strings.Contains(strings.ToLower(value), name)) {
		return ""
	}
	return "at least 8 characters, a lowercase letter, an uppercase letter, a number, no parts of your username."
}

// setQuestion keeps the recovery question; its answer must be there and is not kept.
func (u *User) setQuestion(given doc.Doc) error {
	question := strings.TrimSpace(doc.String(given, "question"))
	if question == "" {
		return failure.Missing("recovery_question.question")
	}
	if len(doc.String(given, "answer")) < 4 {
		return failure.Invalid("recovery_question", "recovery_question: The security question answer must be at least 4 characters in length")
	}
	u.RecoveryQuestion, u.RecoveryAnswer = question, digest(u.ID, strings.ToLower(doc.String(given, "answer")))
	return nil
}

// knows says whether the value is what the digest was made of. Of people who came with
// their passwords from elsewhere the org knows no digest: theirs are believed.
func (u *User) knows(kept, value string) bool { return kept == "" || kept == digest(u.ID, value) }

// ChangePassword replaces a password by one who knows the old one.
func (o *Org) ChangePassword(by *Cause, u *User, body doc.Doc) error {
	if u.Status != Active && u.Status != Expired && u.Status != Recovery && u.Status != Staged && u.Status != Provisioned {
		return failure.NotOnUser("E0000035", "Change password")
	}
	if !u.HasPassword || !u.knows(u.Password, doc.String(body, "oldPassword", "value")) {
		return failure.WrongCredentials("Old Password is not correct")
	}
	return o.newPassword(by, u, doc.String(body, "newPassword", "value"))
}

func (o *Org) newPassword(by *Cause, u *User, value string) error {
	if value == "" {
		return failure.Missing("newPassword")
	}
	o.changing(u)
	now := o.stamp()
	if err := u.setPassword(value, now); err != nil {
		return err
	}
	u.LastUpdated = now
	if u.Status == Expired || u.Status == Recovery {
		o.setUserStatus(u, Active)
	}
	o.Note(by, "user.account.update_password", nil, u.Party())
	return nil
}

// ChangeRecoveryQuestion replaces the question by one who knows the password.
func (o *Org) ChangeRecoveryQuestion(by *Cause, u *User, body doc.Doc) error {
	if u.Status == Deprovisioned || u.Status == Suspended {
		return failure.NotOnUser("E0000036", "Change recovery question")
	}
	if !u.HasPassword || !u.knows(u.Password, doc.String(body, "password", "value")) {
		return failure.WrongCredentials("Password is not correct")
	}
	o.changing(u)
	if err := u.setQuestion(doc.Object(body, "recovery_question")); err != nil {
		return err
	}
	u.LastUpdated = o.stamp()
	o.Note(by, "user.account.update_profile", doc.Doc{"changedAttributes": "recovery_question"}, u.Party())
	return nil
}

// ForgetPassword begins the recovery of a password, which a right answer to the recovery
// question in the body ends at once.
func (o *Org) ForgetPassword(by *Cause, u *User, body doc.Doc) error {
	if u.Status != Active && u.Status != Recovery && u.Status != Expired && u.Status != LockedOut {
		return failure.NotOnUser("E0000034", "Forgot password")
	}
	if question := doc.Object(body, "recovery_question"); question != nil {
		if !u.knows(u.RecoveryAnswer, strings.ToLower(doc.String(question, "answer"))) {
			return failure.WrongCredentials("The recovery question answer did not match our records.")
		}
		return o.newPassword(by, u, doc.String(body, "password", "value"))
	}
	o.setUserStatus(u, Recovery)
	o.Note(by, "user.account.reset_password", nil, u.Party())
	return nil
}

// SetTempPassword gives a user a password that must be changed at the next sign-in.
func (o *Org) SetTempPassword(u *User) string {
	value := "T1" + strings.ToLower(o.ids.Secret(10))
	o.changing(u)
	u.HasPassword, u.PasswordChanged, u.Password = true, o.stamp(), digest(u.ID, value)
	return value
}
