package resource

import "slices"

// Remade reports why the way from one body to another leads through deleting the
// object and making it again; "" when an update will do.
func (i Info) Remade(now, want []byte) (why string, err error) {
	dead, err := i.Died(now)
	if err != nil || dead != "" {
		return dead, err
	}
	for _, f := range i.Fixed {
		a, err := Only(now, f)
		if err != nil {
			return "", err
		}
		b, err := Only(want, f)
		if err != nil {
			return "", err
		}
		if string(a) != string(b) {
			return "its " + string(f) + " cannot be changed, so it is made again", nil
		}
	}
	return "", nil
}

// Died reports why the object can only be made again; "" when it can be changed.
func (i Info) Died(body []byte) (why string, err error) {
	status, err := Path("status").Text(body)
	if err != nil || !slices.Contains(i.Dead, status) {
		return "", err
	}
	return "it is " + status + ", and can only be made again", nil
}
