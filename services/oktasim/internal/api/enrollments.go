package api

import (
	"net/http"
	"slices"
	"strings"

	"imago/services/oktasim/internal/org"
)

// enrollmentOperations are what people have enrolled, and verifications by factors.
func enrollmentOperations() []operation {
	at := func(method, path string, run func(*call) error) operation {
		op := operation{method: method, path: "/api/v1/users/{userId}/" + path, scope: "okta.users.read", area: org.AreaUsers, run: run}
		if op.write = method != http.MethodGet; op.write {
			op.scope = "okta.users.manage"
		}
		return op
	}
	enrollments := func(method, path string, run func(*call, *org.User) error) operation {
		return at(method, "authenticator-enrollments"+path, func(c *call) error {
			if err := c.org.Offers(org.KindNamed("tac_enrollments")); err != nil {
				return err
			}
			u, err := c.user()
			if err != nil {
				return err
			}
			return run(c, u)
		})
	}
	return []operation{
		enrollments("GET", "", func(c *call, u *org.User) error { return c.array(c.org.Enrollments(u, c.discloses())) }),
		enrollments("GET", "/{enrollmentId}", showEnrollment),
		enrollments("DELETE", "/{enrollmentId}", deleteEnrollment),
		enrollments("POST", "/phone", func(c *call, u *org.User) error { return enroll(c, u, "user_factors", c.org.EnrollPhone) }),
		enrollments("POST", "/tac", func(c *call, u *org.User) error { return enroll(c, u, "tac_enrollments", c.org.EnrollTac) }),
		at("POST", "factors/{factorId}/verify", verifyFactor),
	}
}

// discloses says whether the client wants to see phone numbers whole.
func (c *call) discloses() bool {
	return slices.Contains(strings.Split(c.query.Get("discloseIdentifiers"), ","), "phone")
}

func showEnrollment(c *call, u *org.User) error {
	k, x, err := c.org.Enrollment(u, c.params["enrollmentId"])
	if err != nil {
		return err
	}
	return c.show(c.org.EnrollmentBody(k, x, c.discloses()), nil)
}

func deleteEnrollment(c *call, u *org.User) error {
	k, x, err := c.org.Enrollment(u, c.params["enrollmentId"])
	if err != nil {
		return err
	}
	return c.done(c.org.DeleteObject(k, x, org.Request{By: c.cause()}))
}

// enroll answers with the new enrollment, in which everything is shown.
func enroll(c *call, u *org.User, kind string, make func(*org.User, org.Request) (*org.Object, error)) error {
	k := org.KindNamed(kind)
	r, err := c.required(k)
	if err != nil {
		return err
	}
	x, err := make(u, r)
	if err != nil {
		return err
	}
	if kind == "tac_enrollments" {
		return c.answer(k, x, http.StatusOK, org.View{Verb: "create"}, 0)
	}
	return c.show(c.org.EnrollmentBody(k, x, true), nil)
}

func verifyFactor(c *call) error {
	x, err := c.find(org.KindNamed("user_factors"))
	if err != nil {
		return err
	}
	r, err := c.request()
	if err != nil {
		return err
	}
	return c.show(c.org.VerifyFactor(x, r))
}
