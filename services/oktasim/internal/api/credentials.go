package api

import (
	"net/http"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/org"
)

// withBody runs a change of the user in the path by the request's body.
func (c *call) withBody(change func(u *org.User, body doc.Doc) error) (*org.User, error) {
	u, err := c.user()
	if err != nil {
		return nil, err
	}
	body, err := c.optional()
	if err != nil {
		return nil, err
	}
	return u, change(u, body)
}

func changePassword(c *call) error {
	u, err := c.withBody(func(u *org.User, body doc.Doc) error { return c.org.ChangePassword(c.cause(), u, body) })
	if err != nil {
		return err
	}
	return c.show(u.CredentialsBody(), nil)
}

func changeRecoveryQuestion(c *call) error {
	u, err := c.withBody(func(u *org.User, body doc.Doc) error { return c.org.ChangeRecoveryQuestion(c.cause(), u, body) })
	if err != nil {
		return err
	}
	return c.show(u.CredentialsBody(), nil)
}

// forgetPassword answers with the way on, or, where the body answered the recovery
// question, with the credentials (documented).
func forgetPassword(c *call) error {
	answered := false
	u, err := c.withBody(func(u *org.User, body doc.Doc) error {
		answered = doc.Object(body, "recovery_question") != nil
		return c.org.ForgetPassword(c.cause(), u, body)
	})
	switch {
	case err != nil:
		return err
	case answered:
		return c.show(u.CredentialsBody(), nil)
	}
	return c.mailed("resetPasswordUrl", "/signin/reset-password/", true)
}

func listQuestions(c *call) error {
	if _, err := c.user(); err != nil {
		return err
	}
	return c.array(org.QuestionsBody())
}

func listFactorCatalog(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.array(c.org.FactorCatalog(u))
}

func showRisk(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.show(c.org.RiskBody(u), nil)
}

func setRisk(c *call) error {
	isNew := false
	u, err := c.withBody(func(u *org.User, body doc.Doc) (err error) {
		isNew, err = c.org.SetRisk(c.cause(), u, body)
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if isNew {
		status = http.StatusCreated
	}
	return c.reply(status, c.org.RiskBody(u))
}

func showClassification(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.show(u.ClassificationBody(), nil)
}

func classify(c *call) error {
	u, err := c.withBody(func(u *org.User, body doc.Doc) error { return c.org.Classify(c.cause(), u, body) })
	if err != nil {
		return err
	}
	return c.show(u.ClassificationBody(), nil)
}

// endSessions ends what the simulator never begins: people do not sign in here.
func endSessions(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	c.org.Note(c.cause(), "user.session.clear", nil, u.Party())
	return c.done(nil)
}

// emptyListOfUser lists what comes of people's signing in, which nobody does here.
func emptyListOfUser(c *call) error {
	if _, err := c.user(); err != nil {
		return err
	}
	return c.array(nil)
}

// listLinkedUsers answers one page of a thousand (recorded).
func listLinkedUsers(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	ids, err := c.org.LinkedUsers(u, c.params["relationshipName"])
	if err != nil {
		return err
	}
	return list(c, memberPages, ids, c.org.UserByID, nil, always(c.org.LinkedUserBody))
}

func linkUser(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	primary, err := c.org.User(c.params["primaryUserId"])
	if err != nil {
		return err
	}
	return c.done(c.org.LinkUser(u, primary, c.params["relationshipName"]))
}

func unlinkUser(c *call) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.done(c.org.UnlinkUser(u, c.params["relationshipName"]))
}
