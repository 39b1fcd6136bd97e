package form_test

import (
	"testing"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/form"
)

func TestFits(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{}`:                               true,
		`{"label":"A"}`:                    true,
		`{"label":null,"settings":null}`:   true,
		`{"label":5}`:                      false,
		`{"settings":[]}`:                  false,
		`{"settings":{"app":{"any":[5]}}}`: true,
		`{"settings":{"app":5}}`:           false,
		`{"features":["A",null]}`:          true,
		`{"features":["A",5]}`:             false,
		`{"features":"A"}`:                 false,
		`{"visibility":{"hide":{"iOS":true,"more":5}}}`:                            true,
		`{"visibility":{"hide":{"iOS":"true"}}}`:                                   false,
		`{"licensing":{"seatCount":3}}`:                                            true,
		`{"licensing":{"seatCount":"3"}}`:                                          false,
		`{"settings":{"signOn":{"acsEndpoints":[{"index":0,"url":"https://x"}]}}}`: true,
		`{"settings":{"signOn":{"acsEndpoints":[{"index":0},{"url":5}]}}}`:         false,
		`{"settings":{"signOn":{"acsEndpoints":["https://x"]}}}`:                   false,
	} {
		d, err := doc.ParseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if got := form.Fits(form.For("/api/v1/apps"), d); got != want {
			t.Errorf("%s: got %v", body, got)
		}
	}
	if form.For("/api/v1/groups") != nil {
		t.Error("groups have no form")
	}
}
