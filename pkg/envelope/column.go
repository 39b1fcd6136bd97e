package envelope

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// A sealed column is 1 (the format), the version of the data key (4 bytes, big
// endian), a salt of 16 bytes, and the AES-256-GCM text and tag under a key that
// is derived with the salt for the value's place, and seals nothing else.
const (
	columnFormat = 1
	columnSalt   = 16
	columnHead   = 1 + 4 + columnSalt
)

// SealColumn seals a value of one row, so that it opens nowhere else: not in
// another row, column, table or account.
func (k *Keyring) SealColumn(table, column, rowID string, plaintext []byte) ([]byte, error) {
	out := make([]byte, columnHead, columnHead+len(plaintext)+tagSize)
	out[0] = columnFormat
	binary.BigEndian.PutUint32(out[1:], k.current)
	must(rand.Read(out[5:]))
	aead, err := k.aead(k.current, out[5:columnHead], "column", place(table, column, rowID))
	if err != nil {
		return nil, fmt.Errorf("seal %s.%s: %w", table, column, err)
	}
	return aead.Seal(out, nonce(0, true), plaintext, nil), nil
}

// OpenColumn opens what SealColumn sealed for the same place.
func (k *Keyring) OpenColumn(table, column, rowID string, sealed []byte) ([]byte, error) {
	if len(sealed) < columnHead+tagSize || sealed[0] != columnFormat {
		return nil, fmt.Errorf("open %s.%s: not a sealed column: %w", table, column, ErrNotOpened)
	}
	version := binary.BigEndian.Uint32(sealed[1:])
	aead, err := k.aead(version, sealed[5:columnHead], "column", place(table, column, rowID))
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", table, column, err)
	}
	plain, err := aead.Open(nil, nonce(0, true), sealed[columnHead:], nil)
	if err != nil {
		return nil, fmt.Errorf("open %s.%s of row %s: %w", table, column, rowID, ErrNotOpened)
	}
	return plain, nil
}

// ColumnVersion is the data key that a column was sealed under, for those who
// seal anew after a rotation.
func ColumnVersion(sealed []byte) (uint32, error) {
	if len(sealed) < columnHead+tagSize || sealed[0] != columnFormat {
		return 0, fmt.Errorf("not a sealed column: %w", ErrNotOpened)
	}
	return binary.BigEndian.Uint32(sealed[1:]), nil
}

// place names a value in one way only: each part with its length.
func place(table, column, rowID string) string {
	return fmt.Sprintf("%d:%s,%d:%s,%d:%s", len(table), table, len(column), column, len(rowID), rowID)
}
