package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/form"
	"imago/services/oktasim/internal/org"
)

// operation is one method of one path.
type operation struct {
	method, path string
	// scope is what an OAuth token must carry.
	scope string
	// area and write are what the caller's admin role must allow.
	area  org.Area
	write bool
	// open operations need no credentials; self ones need no role.
	open, self bool
	// notes marks reads that leave a trace in the org.
	notes bool
	// outward operations call somebody else: they enter and leave the org by themselves.
	outward bool
	// form has the JSON types of the request's body, nil for any.
	form doc.Doc
	// prepare runs before the operation, outside of the org; it may call somebody else.
	prepare func(*call) error
	run     func(*call) error
}

// router finds operations by path.
type router struct{ root *branch }

type branch struct {
	fixed    map[string]*branch
	variable *branch
	name     string
	methods  map[string]*operation
}

func newBranch() *branch {
	return &branch{fixed: map[string]*branch{}, methods: map[string]*operation{}}
}

func newRouter(ops []operation) *router {
	r := &router{root: newBranch()}
	for i := range ops {
		r.add(&ops[i])
	}
	return r
}

func (r *router) add(op *operation) {
	at := r.root
	for _, part := range segments(op.path) {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			if at.variable == nil {
				at.variable = newBranch()
			}
			at = at.variable
			at.name = strings.TrimSuffix(name, "}")
			continue
		}
		if at.fixed[part] == nil {
			at.fixed[part] = newBranch()
		}
		at = at.fixed[part]
	}
	at.methods[op.method] = op
}

func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// find returns the operation and its path parameters, by position in the template.
// HEAD is answered as GET. allowed are the path's methods, none if it is unknown.
func (r *router) find(method, escaped string) (op *operation, params map[string]string, allowed []string) {
	parts := segments(escaped)
	for i, p := range parts {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return nil, nil, nil
		}
		parts[i] = plain
	}
	at, values := r.root.walk(parts, func(b *branch) bool { return b.methods[get(method)] != nil })
	if at == nil {
		at, values = r.root.walk(parts, func(b *branch) bool { return len(b.methods) > 0 })
	}
	if at == nil {
		return nil, nil, nil
	}
	allowed = slices.Sorted(maps.Keys(at.methods))
	if at.methods[http.MethodGet] != nil {
		allowed = append(allowed, http.MethodHead)
	}
	allowed = append(allowed, http.MethodOptions)
	op = at.methods[get(method)]
	if op == nil {
		return nil, nil, allowed
	}
	params = map[string]string{}
	for _, part := range segments(op.path) {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = values[0]
			values = values[1:]
		}
	}
	return op, params, allowed
}

// get is the method that a request is answered by.
func get(method string) string {
	if method == http.MethodHead {
		return http.MethodGet
	}
	return method
}

// walk finds the branch that will do. It prefers fixed parts and turns back where they lead
// nowhere.
func (b *branch) walk(parts []string, willDo func(*branch) bool) (*branch, []string) {
	if len(parts) == 0 {
		if willDo(b) {
			return b, nil
		}
		return nil, nil
	}
	if next := b.fixed[parts[0]]; next != nil {
		if end, values := next.walk(parts[1:], willDo); end != nil {
			return end, values
		}
	}
	if b.variable == nil || parts[0] == "" {
		return nil, nil
	}
	end, values := b.variable.walk(parts[1:], willDo)
	return end, append([]string{parts[0]}, values...)
}

// operations lists everything that the simulator offers.
func operations() []operation {
	var all []operation
	// Hand-written operations come last: they stand before those of a kind on the same path.
	for _, subject := range [][]operation{
		kindOperations(),
		userOperations(), groupOperations(), groupRuleOperations(), appOperations(), appKeyOperations(), appPartOperations(), clientOperations(), assignmentOperations(),
		policyOperations(), roleOperations(), logOperations(), metaOperations(), schemaOperations(), iamOperations(), subscriptionOperations(), identitySourceOperations(),
		oauthOperations(),
		brandOperations(), idpOperations(), hookOperations(), governanceOperations(),
		featureOperations(), tokenOperations(), authServerOperations(), deviceOperations(), orgOperations(), aerialOperations(), enrollmentOperations(), preregistrationOperations(), roleGovernanceOperations(), collectionOperations(), entitlementOperations(), accessRequestOperations(),
		refreshTokenOperations(), wellKnownOperations(), sessionOperations(),
	} {
		all = append(all, subject...)
	}
	for i := range all {
		all[i].form = form.For(all[i].path)
	}
	return all
}
