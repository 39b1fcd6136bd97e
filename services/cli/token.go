package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// logins is the file that keeps who is signed in where. It holds tokens: only its
// owner may read it.
type logins struct {
	Last    string           `json:"last"` // the server last signed in to
	Servers map[string]login `json:"servers"`
}

// login is one server's part of it.
type login struct {
	Email   string    `json:"email,omitempty"`
	Token   string    `json:"token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Attempt is a sign-in that waits for its code.
	Attempt *attempt `json:"attempt,omitempty"`
	// Waiting is a session that waits for its second factor; Token is the one before it.
	Waiting *waiting `json:"waiting,omitempty"`
	// StepUp is a step-up that waits for its code.
	StepUp *attempt `json:"step_up,omitempty"`
}

// waiting is a session that is good for giving its second factor, and for nothing else.
type waiting struct {
	Token  string `json:"token"`
	Factor string `json:"factor"` // totp, passkey or enroll
}

// attempt binds a code that was mailed to this client.
type attempt struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret,omitempty"`
	Email   string    `json:"email"`
	Expires time.Time `json:"expires"`
}

// loginsFile is where tokens are kept: $XDG_CONFIG_HOME/imago/login.json.
func (p *program) loginsFile() (string, error) {
	dir := p.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := p.Getenv("HOME")
		if home == "" {
			return "", errors.New("neither HOME nor XDG_CONFIG_HOME is set: there is no place to keep the sign-in")
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "imago", "login.json"), nil
}

func (p *program) readLogins() (logins, error) {
	path, err := p.loginsFile()
	if err != nil {
		return logins{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return logins{}, nil
	}
	if err != nil {
		return logins{}, fmt.Errorf("read the sign-in: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return logins{}, withHint(fmt.Errorf("%s can be read by others", path), "chmod 600 %s, and sign in again if somebody may have read it", path)
	}
	return parseLogins(path)
}

func parseLogins(path string) (logins, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return logins{}, fmt.Errorf("read the sign-in: %w", err)
	}
	var l logins
	if err := json.Unmarshal(text, &l); err != nil {
		return logins{}, withHint(fmt.Errorf("%s is damaged: %w", path, err), "delete it and sign in again")
	}
	return l, nil
}

// readLogin reads one server's part; zero when nobody is signed in there.
func (p *program) readLogin(server string) (login, error) {
	all, err := p.readLogins()
	return all.Servers[server], err
}

// writeLogin replaces one server's part, at once or not at all.
func (p *program) writeLogin(server string, l login) error {
	all, err := p.readLogins()
	if err != nil {
		return err
	}
	if all.Servers == nil {
		all.Servers = map[string]login{}
	}
	all.Servers[server], all.Last = l, server
	path, err := p.loginsFile()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	return nil
}

// replaceFile writes a private file beside the old one and renames it.
func replaceFile(path string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".login-*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
