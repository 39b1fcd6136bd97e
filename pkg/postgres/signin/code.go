package signin

import "crypto/sha256"

// CodeHash is what a code is checked against: with its attempt's ID, so that one table
// of a million hashes does not fit every attempt.
func CodeHash(attemptID, code string) Hash {
	return sha256.Sum256([]byte("imago sign-in code/" + attemptID + "/" + code))
}
