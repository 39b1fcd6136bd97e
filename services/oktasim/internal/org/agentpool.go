package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

const agentPoolPath = "/api/v1/agentPools/{poolId}"

var agentTypes = []string{"AD", "IWA", "LDAP", "MFA", "OPP", "RADIUS", "RUM"}

// agentPoolKinds are the agents that join directories to the org, and their updates. Agents
// register by themselves, so a new org has none.
func agentPoolKinds() []Kind { return []Kind{agentPools(), agentUpdates(), agentSettings()} }

// agentPools have their agents in the body, as they are without an update.
func agentPools() Kind {
	return Kind{
		Name: "agent_pools", Path: agentPoolPath, Prefix: "0oa", Class: "AgentPool",
		Scope: "okta.agentPools", Area: AreaAgents,
		Verbs: Verbs{List: true},
		Page:  Page{Default: 5, Max: 200, Equal: map[string]string{"poolType": "type"}},
		Fields: []Field{
			{Path: "name", Mode: ReadOnly}, {Path: "type", Mode: ReadOnly, Default: "AD"},
			{Path: "operationalStatus", Mode: ReadOnly, Default: "OPERATIONAL"},
			{Path: "disruptedAgents", Type: Number, Mode: ReadOnly, Default: 0}, {Path: "inactiveAgents", Type: Number, Mode: ReadOnly, Default: 0},
			{Path: "agents", Type: List, Mode: ReadOnly, Default: []any{}},
		},
		Links: []Link{{Name: "self"}},
		Fill: func(c *Change) error {
			for _, a := range parts(c.Body, "agents") {
				delete(a, "updateStatus")
				delete(a, "updateMessage")
			}
			return nil
		},
	}
}

// The states of an update. What is scheduled has begun only where its time has come, which
// the simulator never finds; activated ones run at once and wait for no agent.
const (
	scheduled  = "Scheduled"
	inProgress = "InProgress"
	paused     = "Paused"
	cancelled  = "Cancelled"
)

// agentUpdates bring the agents of a pool to a version (recorded: creation, change, reads,
// deletion; the rest documented).
func agentUpdates() Kind {
	turn := func(name, from, to string) Operation {
		op := Operation{Name: name, Path: name, Set: doc.Doc{"status": to}, Status: 201, Link: "-"}
		if from != "" {
			op.When, op.Else = is("status", from), failure.Invalid("status", "status: The update must be "+from)
		}
		return op
	}
	enable := func(name string, on bool) Operation {
		return Operation{Name: name, Path: name, Set: doc.Doc{"enabled": on}, Status: 201, Link: "-"}
	}
	return Kind{
		Name: "agent_pool_updates", Path: agentPoolPath + "/updates/{updateId}", Prefix: "ajd", Class: "AgentPoolUpdate",
		Scope: "okta.agentPools", Area: AreaAgents,
		Verbs: Verbs{List: true, Get: true, Create: 200, Merge: "POST", Delete: 204},
		Operations: []Operation{
			enable("activate", true), enable("deactivate", false),
			turn("retry", "", inProgress), turn("pause", inProgress, paused), turn("resume", paused, inProgress), turn("stop", "", cancelled),
		},
		Fields: []Field{
			{Path: "name", Required: true},
			{Path: "agentType", Enum: agentTypes, Default: poolType},
			{Path: "agents", Type: List, Default: []any{}},
			{Path: "agents[].id", Required: true},
			{Path: "enabled", Type: Bool, Default: false},
			{Path: "notifyAdmin", Type: Bool, Default: false},
			{Path: "reason"},
			{Path: "schedule", Type: Map},
			{Path: "schedule.cron", Required: true}, {Path: "schedule.timezone", Required: true}, {Path: "schedule.duration", Type: Number},
			{Path: "schedule.delay", Type: Number},
			{Path: "sortOrder", Type: Number},
			{Path: "targetVersion"},
			{Path: "status", Mode: ReadOnly, Default: scheduled},
		},
		Links: []Link{}, LinkStyle: Bare,
		Events: map[string]string{create: "system.agent_pools.auto_update", merge: "system.agent_pools.auto_update"},
		Fill:   fillAgentUpdate, Show: showAgentUpdate,
	}
}

func poolType(c *Change) any { return c.Parent().Body["type"] }

// fillAgentUpdate wants agents of the pool, and keeps nothing that says nothing (recorded): a
// delay or an order of 0, an empty reason. Without a version the agents' latest is meant.
func fillAgentUpdate(c *Change) error {
	for _, a := range parts(c.Body, "agents") {
		if agentIn(c.Parent(), doc.String(a, "id")) == nil {
			return failure.NotFound(doc.String(a, "id"), "Agent")
		}
	}
	for _, path := range []string{"schedule.delay", "sortOrder"} {
		if n, given := whole(get(c.Body, path)); given && n == 0 {
			drop(c.Body, path)
		}
	}
	if c.Body["reason"] == "" {
		delete(c.Body, "reason")
	}
	if version := textOf(c.Body["targetVersion"]); version == "" {
		c.Body["targetVersion"] = latestVersion(c.Parent())
	}
	return nil
}

func agentIn(pool *Object, id string) doc.Doc {
	for _, a := range parts(pool.Body, "agents") {
		if doc.String(a, "id") == id {
			return a
		}
	}
	return nil
}

// latestVersion is that of an agent which says that it has the latest.
func latestVersion(pool *Object) string {
	version := ""
	for _, a := range parts(pool.Body, "agents") {
		if version == "" || doc.Bool(a, "isLatestGAedVersion") {
			version = doc.String(a, "version")
		}
	}
	return version
}

// showAgentUpdate shows the agents as they are, and how far the update is with each.
func showAgentUpdate(v *View) {
	pool := v.Org.parentOf(v.Kind, v.Object)
	var agents []any
	for _, a := range parts(v.Body, "agents") {
		agent := doc.Clone(agentIn(pool, doc.String(a, "id")))
		if agent == nil {
			continue
		}
		agent["updateStatus"], agent["updateMessage"] = v.Body["status"], updateMessages[textOf(v.Body["status"])]
		agents = append(agents, agent)
	}
	v.Body["agents"] = orEmpty(agents)
	v.Body["_links"] = doc.Doc{}
}

// updateMessages are recorded for what is scheduled, else an assumption.
var updateMessages = map[string]string{
	scheduled: "Queued for update.", inProgress: "Update in progress.", paused: "Update paused.", cancelled: "Update cancelled.",
}

// agentSettings are how the agents of a pool are updated by themselves (documented).
func agentSettings() Kind {
	channels := []string{"BETA", "EA", "GA", "TEST"}
	return Kind{
		Name: "agent_pool_settings", Path: agentPoolPath + "/updates/settings", Class: "AgentPoolUpdateSetting",
		Scope: "okta.agentPools", Area: AreaAgents,
		Verbs: Verbs{Get: true, Merge: "POST", MergeStatus: 201},
		Fields: []Field{
			{Path: "agentType", Enum: agentTypes, Default: poolType},
			{Path: "continueOnError", Type: Bool, Default: false},
			{Path: "latestVersion", Mode: ReadOnly, Default: func(c *Change) any { return latestVersion(c.Parent()) }},
			{Path: "minimalSupportedVersion", Mode: ReadOnly, Default: func(c *Change) any { return latestVersion(c.Parent()) }},
			{Path: "poolId", Mode: ReadOnly, Default: func(c *Change) any { return c.Object.Home }},
			{Path: "poolName", Mode: ReadOnly, Default: func(c *Change) any { return c.Parent().Body["name"] }},
			{Path: "releaseChannel", Enum: channels, Default: "GA"},
		},
		Seeds: []Seed{{}},
	}
}
