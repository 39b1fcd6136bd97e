package org

import (
	"encoding/json"
	"fmt"
	"time"
)

// Stamp is a moment in milliseconds since 1970, 0 for never. It is written as Okta
// writes it, 2006-01-02T15:04:05.000Z, or null.
type Stamp int64

const stampLayout = "2006-01-02T15:04:05.000Z"

// StampOf cuts t to the second: directory objects carry no milliseconds (recorded).
func StampOf(t time.Time) Stamp { return Stamp(t.Truncate(time.Second).UnixMilli()) }

// Time is the moment in UTC.
func (s Stamp) Time() time.Time { return time.UnixMilli(int64(s)).UTC() }

func (s Stamp) String() string {
	if s == 0 {
		return ""
	}
	return s.Time().Format(stampLayout)
}

// MarshalJSON writes the moment or null.
func (s Stamp) MarshalJSON() ([]byte, error) {
	if s == 0 {
		return []byte("null"), nil
	}
	return s.Time().AppendFormat(nil, `"`+stampLayout+`"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("read timestamp: %w", err)
	}
	if text == nil {
		*s = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil {
		return fmt.Errorf("read timestamp: %w", err)
	}
	*s = Stamp(t.UnixMilli())
	return nil
}
