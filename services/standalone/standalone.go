// Package standalone is all of Imago in one process on one machine: api, worker and
// drift monitor, with a private Postgres and an S3 server inside.
package standalone
