package account

import "slices"

// Role is what a member may do in an account.
type Role string

// The roles, from most to least.
const (
	Owner    Role = "owner"
	Admin    Role = "admin"
	Operator Role = "operator"
	Auditor  Role = "auditor"
	Viewer   Role = "viewer"
)

// Roles lists every role, from most to least.
func Roles() []Role { return []Role{Owner, Admin, Operator, Auditor, Viewer} }

// Action is something that a role allows or does not.
type Action string

// The actions.
const (
	ViewAccount      Action = "view_account"      // account, members, connections, schedules, snapshots' lists, findings' lists
	OpenSnapshot     Action = "open_snapshot"     // browse and compare: directory data
	Download         Action = "download"          // take snapshots away, sealed or not
	ViewActivity     Action = "view_activity"     // the activity log
	TakeSnapshot     Action = "take_snapshot"     // on demand
	EditConnection   Action = "edit_connection"   // connect, schedule, credentials
	ResolveFinding   Action = "resolve_finding"   // acknowledge, accept, snooze
	PlanRestore      Action = "plan_restore"      // make a plan
	ApproveRestore   Action = "approve_restore"   // approve a plan's digest; start and close it
	EditAccount      Action = "edit_account"      // its name
	EditMembers      Action = "edit_members"      // invite, change roles, remove
	EditBilling      Action = "edit_billing"      // subscribe, change plan and card, cancel
	EditSecurity     Action = "edit_security"     // what the account wants of who signs in
	EditSso          Action = "edit_sso"          // where members sign in: who says that, says who is an owner
	EditKeys         Action = "edit_keys"         // rotate the data key, keep escrows: who has one has everything
	DeleteConnection Action = "delete_connection" // with its snapshots
	DeleteAccount    Action = "delete_account"
)

// allowed is the one table of roles and actions; a test reads it cell by cell.
var allowed = map[Action][]Role{
	ViewAccount:      {Owner, Admin, Operator, Auditor, Viewer},
	OpenSnapshot:     {Owner, Admin, Operator, Auditor},
	Download:         {Owner, Admin},
	ViewActivity:     {Owner, Admin, Auditor},
	TakeSnapshot:     {Owner, Admin, Operator},
	EditConnection:   {Owner, Admin},
	ResolveFinding:   {Owner, Admin, Operator},
	PlanRestore:      {Owner, Admin, Operator},
	ApproveRestore:   {Owner, Admin},
	EditAccount:      {Owner, Admin},
	EditMembers:      {Owner, Admin},
	EditBilling:      {Owner, Admin},
	EditSecurity:     {Owner, Admin},
	EditSso:          {Owner},
	EditKeys:         {Owner},
	DeleteConnection: {Owner, Admin},
	DeleteAccount:    {Owner},
}

// Actions lists every action, sorted.
func Actions() []Action {
	out := make([]Action, 0, len(allowed))
	for a := range allowed {
		out = append(out, a)
	}
	slices.Sort(out)
	return out
}

// Above reports whether a role stands above another one: nobody gives, or changes, a role
// above their own.
func (r Role) Above(other Role) bool {
	return slices.Index(Roles(), r) < slices.Index(Roles(), other)
}

// harmless are the actions that an API token may be given: whoever comes upon one must not
// do with it what cannot be taken back, or opens a door to more.
var harmless = []Action{
	ViewAccount, OpenSnapshot, ViewActivity, TakeSnapshot, EditConnection, EditAccount, ResolveFinding, PlanRestore,
}

// ForTokens reports whether an API token may be given the action.
func (a Action) ForTokens() bool { return slices.Contains(harmless, a) }

// May reports whether the role allows the action; unknown ones are refused.
func (r Role) May(a Action) bool { return slices.Contains(allowed[a], r) }
