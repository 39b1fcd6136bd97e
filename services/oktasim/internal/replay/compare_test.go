package replay

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"imago/services/oktasim/internal/doc"
)

// newComparison compares bodies without an org behind them.
func newComparison(asked ...string) *comparison {
	r := &Run{Steps: []*Step{{Method: "GET", Path: "/api/v1/things", Status: 200}}}
	h := hosts{base: "https://fleet-00.okta.com", subdomain: "fleet-00", own: hostsOf(&Run{Steps: []*Step{{
		Response: []byte(`"https://fleet-00.okta.com/api/v1/x" "https://fleet-00-admin.okta.com/api/v1/x"`)}}}).own}
	p := &player{run: r, survey: &survey{run: r, hosts: h, made: map[string]bool{}, named: map[string]bool{}}, binding: newBinding(h), held: map[string]bool{}}
	for _, a := range asked {
		p.binding.askText(a)
	}
	return &comparison{player: p, step: r.Steps[0]}
}

func parse(t *testing.T, text string) any {
	t.Helper()
	v, err := doc.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// TestValues compares answers one after the other: what one teaches binds the next.
func TestValues(t *testing.T) {
	t.Parallel()
	const a, b, c = "00gTheirs00000000a1z", "00gOurs0000000000a1z", "00gOther000000000a1z"
	const uuid, other = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", "1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f1"
	for _, x := range []struct {
		name  string
		asked []string
		pairs [][2]string
		want  []string
	}{
		{"equal", nil, [][2]string{{`{"a":[1,true,null,"x"]}`, `{"a":[1,true,null,"x"]}`}}, nil},
		{"numbers of one value", nil, [][2]string{{`{"a":1.0}`, `{"a":1}`}}, nil},
		{"other number", nil, [][2]string{{`{"a":2}`, `{"a":1}`}}, []string{"values a"}},

		{"id is learned", nil, [][2]string{{`{"id":"` + a + `"}`, `{"id":"` + b + `"}`}, {`{"of":"` + a + `"}`, `{"of":"` + b + `"}`}}, nil},
		{"id must be repeated", nil, [][2]string{{`{"id":"` + a + `"}`, `{"id":"` + b + `"}`}, {`{"of":"` + a + `"}`, `{"of":"` + c + `"}`}}, []string{"values of"}},
		{"two ids are not one", nil, [][2]string{{`{"x":"` + a + `","y":"` + c + `"}`, `{"x":"` + b + `","y":"` + b + `"}`}}, []string{"values y"}},
		{"id of another kind", nil, [][2]string{{`{"id":"` + a + `"}`, `{"id":"00uOurs0000000000a1z"}`}}, []string{"values id"}},
		{"id inside text", nil, [][2]string{{`{"e":"isMemberOf(\"` + a + `\")"}`, `{"e":"isMemberOf(\"` + b + `\")"}`}, {`{"id":"` + a + `"}`, `{"id":"` + c + `"}`}}, []string{"values id"}},
		{"id as field name", nil, [][2]string{{`{"m":{"` + a + `":"x"}}`, `{"m":{"` + b + `":"x"}}`}, {`{"id":"` + a + `"}`, `{"id":"` + c + `"}`}}, []string{"values id"}},
		{"id that stands for itself", nil, [][2]string{{`{"id":"` + a + `"}`, `{"id":"` + a + `"}`}, {`{"of":"` + a + `"}`, `{"of":"` + b + `"}`}}, []string{"values of"}},
		{"id that the request chose", []string{a}, [][2]string{{`{"id":"` + a + `"}`, `{"id":"` + b + `"}`}}, []string{"values id"}},
		{"text is not learned", nil, [][2]string{{`{"name":"Crew"}`, `{"name":"Crow"}`}}, []string{"values name"}},
		{"UUID", nil, [][2]string{{`{"u":"` + uuid + `"}`, `{"u":"` + other + `"}`}, {`{"u":"` + uuid + `"}`, `{"u":"` + uuid + `"}`}}, []string{"values u"}},
		{"digest in a file name", nil, [][2]string{{`{"u":"https://op1static.oktacdn.com/a.0123456789abcdef0123456789abcdef.png"}`, `{"u":"https://ok7static.oktacdn.com/a.ffff456789abcdef0123456789abcdef.png"}`}}, nil},
		{"name of an app of its own", nil, [][2]string{
			{`{"name":"fleet-00_crew_7"}`, `{"name":"fleet-00_crew_1"}`}, {`{"l":{"fleet-00_crew_7_link":true}}`, `{"l":{"fleet-00_crew_1_link":true}}`}}, nil},
		{"name that was taken there", nil, [][2]string{{`{"name":"fleet_client_4dcdd0g"}`, `{"name":"fleet_client"}`}}, nil},
		{"name that was taken here", nil, [][2]string{{`{"name":"fleet_client"}`, `{"name":"fleet_client_0a1b2c3"}`}}, nil},
		{"another name that was taken", nil, [][2]string{{`{"name":"fleet_client_4dcdd0g"}`, `{"name":"crew_client"}`}}, []string{"values name"}},
		{"name of another label", nil, [][2]string{{`{"name":"fleet-00_crew_7"}`, `{"name":"fleet-00_crow_1"}`}}, []string{"values name"}},

		{"redacted secret", nil, [][2]string{{`{"password":"REDACTED-secret-0123456789ab"}`, `{"password":"s3cret"}`}, {`{"password":"REDACTED-secret-0123456789ab"}`, `{"password":"s3cret"}`}}, nil},
		{"redacted secret that changes", nil, [][2]string{{`{"password":"REDACTED-secret-0123456789ab"}`, `{"password":"s3cret"}`}, {`{"password":"REDACTED-secret-0123456789ab"}`, `{"password":"other"}`}}, []string{"values password"}},
		{"redacted secret of the request", []string{"REDACTED-secret-0123456789ab"}, [][2]string{{`{"password":"REDACTED-secret-0123456789ab"}`, `{"password":"s3cret"}`}}, []string{"values password"}},
		{"secret of another length", nil, [][2]string{{`{"client_secret":"abcdefgh"}`, `{"client_secret":"abcd"}`}}, []string{"values client_secret"}},
		{"secret that is empty", nil, [][2]string{{`{"kid":"abcdefgh"}`, `{"kid":""}`}}, []string{"values kid"}},
		{"certificate", nil, [][2]string{{`{"x5c":["MIIabc"]}`, `{"x5c":["MIIdefghi"]}`}}, nil},

		{"stamp nearby", nil, [][2]string{{`{"at":"2031-05-06T07:08:09.000Z"}`, `{"at":"2031-05-06T07:08:14.000Z"}`}}, nil},
		{"stamp too far", nil, [][2]string{{`{"at":"2031-05-06T07:08:09.000Z"}`, `{"at":"2031-05-06T07:08:15.000Z"}`}}, []string{"values at"}},
		{"stamp of another format", nil, [][2]string{{`{"at":"2031-05-06T07:08:09.000Z"}`, `{"at":"2031-05-06T07:08:09Z"}`}}, []string{"values at"}},
		{"old format", nil, [][2]string{{`{"at":"2031-05-06 07:08:09.0"}`, `{"at":"2031-05-06 07:08:10.0"}`}}, nil},
		{"weekday format", nil, [][2]string{{`{"at":"Tue May 06 07:08:09 UTC 2031"}`, `{"at":"Tue May 06 07:08:10 UTC 2031"}`}}, nil},
		{"milliseconds", nil, [][2]string{{`{"at":1936000000000}`, `{"at":1936000004000}`}}, nil},
		{"milliseconds too far", nil, [][2]string{{`{"at":1936000000000}`, `{"at":1936000006000}`}}, []string{"values at"}},

		{"host of the org", nil, [][2]string{{`{"href":"https://fleet-00-admin.okta.com/api/v1/x"}`, `{"href":"https://fleet-00.okta.com/api/v1/x"}`}}, nil},
		{"host of somebody else", nil, [][2]string{{`{"href":"https://float-00.okta.com/api/v1/x"}`, `{"href":"https://fleet-00.okta.com/api/v1/x"}`}}, []string{"values href"}},
		{"partition of a resource name", nil, [][2]string{{`{"orn":"orn:oktapreview:idp:x"}`, `{"orn":"orn:okta:idp:x"}`}}, nil},

		{"missing", nil, [][2]string{{`{"a":{"b":1}}`, `{"a":{}}`}}, []string{"shape a.b"}},
		{"too much", nil, [][2]string{{`{"a":{}}`, `{"a":{"b":1}}`}}, []string{"shape a.b"}},
		{"null is a type", nil, [][2]string{{`{"a":null}`, `{"a":"x"}`}}, []string{"shape a"}},
		{"optional member", nil, [][2]string{{`[{"name":"a"},{"name":"b","x":1}]`, `[{"name":"b"},{"name":"a","x":1}]`}}, []string{"shape [].x", "shape [].x"}},
		{"order of a list", nil, [][2]string{{`{"l":["a","b"]}`, `{"l":["b","a"]}`}}, nil},
		{"shorter list", nil, [][2]string{{`{"l":["a","b"]}`, `{"l":["a"]}`}}, []string{"values l"}},
		{"other member", nil, [][2]string{{`{"l":["a","b"]}`, `{"l":["a","c"]}`}}, []string{"values l[]"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newComparison(x.asked...)
			for _, p := range x.pairs {
				c.value("", "", parse(t, p[0]), parse(t, p[1]))
			}
			var got []string
			for _, m := range c.mismatches {
				got = append(got, m.Aspect+" "+m.Path)
			}
			if !reflect.DeepEqual(got, x.want) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func TestRepeatedStamps(t *testing.T) {
	t.Parallel()
	const theirs, ours = `{"at":"2031-05-06T07:08:09.000Z"}`, `{"at":"2031-05-06T07:08:20.000Z"}`
	c := newComparison()
	c.binding.stamps[[2]string{"2031-05-06T07:08:09.000Z", "2031-05-06T07:08:20.000Z"}] = true
	c.value("", "", parse(t, theirs), parse(t, ours))
	if len(c.mismatches) > 0 {
		t.Errorf("a repeated stamp is refused: %+v", c.mismatches)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	const made, named = "00gMade0000000000a1z", "00gNamed000000000a1z"
	element := func(id, name string) string { return fmt.Sprintf(`{"id":%q,"name":%q}`, id, name) }
	list := func(e ...string) string { return "[" + strings.Join(e, ",") + "]" }
	for _, x := range []struct {
		name, query  string
		theirs, ours string
		want         []string
	}{
		{"foreign elements on both sides", "", list(element("00gForeign0000000a1z", "F")), list(element("00gSeeded00000000a1z", "S")), nil},
		{"made element is missing", "", list(element(made, "M")), list(), []string{"values []"}},
		{"made element is too much", "", list(), list(element(made, "M")), []string{"values []"}},
		{"foreign element of ours in a search", "q=S", list(), list(element("00gSeeded00000000a1z", "S")), []string{"values []"}},
		{"same name as a thing that is known", "", list(element(made, "M")), list(element("00gOther000000000a1z", "M")), []string{"values []"}},
		{"same name is the same thing", "", list(element("00gTheirs00000000a1z", "Same")), list(element("00gOurs0000000000a1z", "Same")), nil},
		{"what foreign elements hold", "", list(`{"id":"00gTheirs00000000a1z","name":"Same","x":1}`), list(`{"id":"00gOurs0000000000a1z","name":"Same","x":2}`), nil},
		{"what made elements hold", "", list(`{"id":"` + made + `","x":1}`), list(`{"id":"` + made + `","x":2}`), []string{"values [].x"}},
		{"what named elements hold", "", list(`{"id":"` + named + `","name":"Same","x":1}`), list(`{"id":"00gOurs0000000000a1z","name":"Same","x":2}`), []string{"values [].x"}},
		{"what foreign elements hold that were asked for", "q=S", list(element("00gTheirs00000000a1z", "S") + `,{"name":"T","x":1}`), list(element("00gOurs0000000000a1z", "S") + `,{"name":"T","x":2}`), []string{"values [].x"}},
		{"what lies between the same two things", "q=S", `[{"source":{"id":"` + made + `"},"target":{"id":"otyB0000000000000a1z"},"x":1},{"source":{"id":"` + made + `"},"target":{"id":"otyA0000000000000a1z"},"x":2}]`,
			`[{"source":{"id":"` + made + `"},"target":{"id":"otyA0000000000000a1z"},"x":2},{"source":{"id":"` + made + `"},"target":{"id":"otyB0000000000000a1z"},"x":9}]`, []string{"values [].x"}},
		{"foreign element of another shape", "", list(`{"id":"00gTheirs00000000a1z","name":"Same","x":1}`), list(element("00gOurs0000000000a1z", "Same")), []string{"shape [].x"}},
		{"order by priority", "", `[{"name":"a","priority":1},{"name":"b","priority":2}]`, `[{"name":"b","priority":2},{"name":"a","priority":1}]`, []string{"values []"}},
		{"order without priority", "", `[{"name":"a"},{"name":"b"}]`, `[{"name":"b"},{"name":"a"}]`, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newComparison()
			c.survey.made[made], c.survey.named[named] = true, true
			c.binding.bind(made, made)
			c.step.Query, c.step.body = x.query, parse(t, x.theirs)
			c.body(parse(t, x.ours))
			var got []string
			for _, m := range c.mismatches {
				got = append(got, m.Aspect+" "+m.Path)
			}
			if !reflect.DeepEqual(got, x.want) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	const self, next = `<https://fleet-00.okta.com/api/v1/things>; rel="self"`, `<https://fleet-00.okta.com/api/v1/things?after=x>; rel="next"`
	for _, x := range []struct {
		name         string
		theirs, ours []string
		want         []string
	}{
		{"both", []string{self, next}, []string{self, next}, nil},
		{"none recorded", nil, []string{self}, nil},
		{"no self", []string{self}, nil, []string{"values Link"}},
		{"what else the recorded org held", []string{self, next}, []string{self}, nil},
		{"a page too many", []string{self}, []string{self, next}, []string{"values Link"}},
	} {
		c := newComparison()
		c.step.Link = x.theirs
		c.links(&answer{header: map[string][]string{"Link": x.ours}})
		var got []string
		for _, m := range c.mismatches {
			got = append(got, m.Aspect+" "+m.Path)
		}
		if !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
		}
	}
	c := newComparison()
	c.step.Link = []string{self, strings.Replace(next, "after=x", "after=00gTheirs00000000a1z", 1)}
	c.links(&answer{header: map[string][]string{"Link": {self, strings.Replace(next, "after=x", "after=opaque", 1)}}})
	if got, err := c.binding.query("after=00gTheirs00000000a1z"); err != nil || got != "after=opaque" {
		t.Errorf("the next page is asked for by %s, %v", got, err)
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	page := func(entity, certificate, extra string) string {
		return `<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:md" entityID="` + entity + `"><X509Certificate>` + certificate + `</X509Certificate>` + extra + `</md:EntityDescriptor>`
	}
	for _, x := range []struct {
		name, theirs, ours string
		want               []string
	}{
		{"ids and certificates", page("http://www.okta.com/exkTheirs0000000a1z0", "MIIa", ""), page("http://www.okta.com/exkOurs000000000a1z0", "MIIbcd", ""), nil},
		{"value", page("http://www.okta.com/a", "MIIa", ""), page("http://www.okta.com/b", "MIIa", ""), []string{"values EntityDescriptor@entityID"}},
		{"missing element", page("a", "MIIa", "<More/>"), page("a", "MIIa", ""), []string{"shape EntityDescriptor/More"}},
		{"element too much", page("a", "MIIa", ""), page("a", "MIIa", "<More/>"), []string{"shape EntityDescriptor/More"}},
		{"no document", page("a", "MIIa", ""), "{}", []string{"shape "}},
	} {
		c := newComparison()
		c.document(x.theirs, x.ours)
		var got []string
		for _, m := range c.mismatches {
			got = append(got, m.Aspect+" "+m.Path)
		}
		if !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
		}
	}
}

// What custom domains point to bears the org's name, whatever else calls the org.
func TestCustomDomainHostsHaveOneName(t *testing.T) {
	t.Parallel()
	h := hostsNamed(map[string]int{"fleet-00": 1}, "fleet-00.okta.com")
	for _, s := range []string{"harbour.customdomains.oktapreview.com", "fleet-00.customdomains.okta.com"} {
		if got := h.normalise(s); got != "fleet-00.customdomains.okta.com" {
			t.Errorf("%s is called %s", s, got)
		}
	}
	if s := "login.harbour.example.com"; h.normalise(s) != s {
		t.Errorf("%s, which is the customer's, is called %s", s, h.normalise(s))
	}
}
