// Package okta reads, follows and writes Okta orgs.
//
// # The registry
//
// What is known of a resource type is data: one entry in types_directory.go,
// types_apps.go, types_policies.go or types_security.go. The reader, the writer
// and the log's mapper interpret it; there is no code for a type.
//
// To add a type, add its entry, after its parent's:
//
//   - Info: shape, parent, natural key, refs, volatile and read-only fields, phase,
//     scopes. Everything outside this package is derived from it: diff, restore
//     order, ID rewriting, labels, gaps.
//   - lists: the pages to read, with {parent} for the parent's ID, or
//     {parent:path} for a field of the parent's body.
//   - get, and match where Okta has no call for one object.
//   - write: the routes to create, update and delete, and the lifecycle.
//   - events: the System Log's event types, and which target the ID stands in.
//
// and nothing else: the tests walk the registry. A type that fits no shape gets a
// new field of the entry if others will need it too.
//
// # Below
//
// okta-sdk-golang builds the requests; a RoundTripper of ours underneath owns
// tokens, rate limits, retries and Link headers (transport.go says why). Waits
// longer than two seconds are answered with a *provider.Wait and not slept.
package okta
