package bigorg

// Doomed is how many members the group has that is gone on the day Deleted.
func (o *Org) Doomed() int { return o.members.size(o.doomed) }
