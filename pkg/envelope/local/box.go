package local

import (
	"imago/pkg/envelope"
	"imago/pkg/problem"
)

// WriteBoxKey writes a private key into a new file of mode 0600, for the workers.
func WriteBoxKey(path string, key *envelope.PrivateKey) error {
	text, err := key.Text()
	if err != nil {
		return err
	}
	return writeNew(path, []byte(text+"\n"), private)
}

// ReadBoxKey reads what WriteBoxKey wrote; looser modes are refused.
func ReadBoxKey(path string) (*envelope.PrivateKey, error) {
	text, err := read(path, private)
	if err != nil {
		return nil, err
	}
	key, err := envelope.ParsePrivateKey(string(text))
	if err != nil {
		return nil, problem.New(problem.Invalid, "%s does not hold a private box key", path).Because(err)
	}
	return key, nil
}

// WritePublicKey writes a public key into a new file, for the api.
func WritePublicKey(path string, key *envelope.PublicKey) error {
	return writeNew(path, []byte(key.String()+"\n"), public)
}

// ReadPublicKey reads what WritePublicKey wrote. Who could write it could read
// new credentials, so a file that others may write is refused.
func ReadPublicKey(path string) (*envelope.PublicKey, error) {
	text, err := read(path, public)
	if err != nil {
		return nil, err
	}
	key, err := envelope.ParsePublicKey(string(text))
	if err != nil {
		return nil, problem.New(problem.Invalid, "%s does not hold a public box key", path).Because(err)
	}
	return key, nil
}
