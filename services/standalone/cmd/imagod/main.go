// Command imagod is all of Imago in one program: api, worker and drift monitor on a
// private Postgres and an S3 server inside, with everything in one directory.
package main

import "imago/services/standalone"

func main() { standalone.Main() }
