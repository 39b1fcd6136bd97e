package org

import (
	"imago/services/oktasim/internal/doc"
	"imago/services/oktasim/internal/failure"
)

// deviceKinds are the devices, and what is asked of devices.
func deviceKinds() []Kind { return []Kind{devices(), deviceAssurances(), postureChecks()} }

// devices come from enrollments: no request makes one (documented).
func devices() Kind {
	step := func(name, from, to string) Operation {
		return Operation{Name: name, Path: "lifecycle/" + name, When: is("status", from), Else: failure.WrongDeviceStatus(), Set: doc.Doc{"status": to}, Status: 204}
	}
	deactivate := step("deactivate", Active, "DEACTIVATED")
	activate := step("activate", "DEACTIVATED", Active)
	activate.Else = nil
	// A deactivated device has no users any more (documented).
	deactivate.Run = func(c *Change) error { delete(c.Body, "users"); return nil }
	deactivate.When, activate.When = is("status", Active, "SUSPENDED"), is("status", "DEACTIVATED", "CREATED")
	return Kind{
		Name: "devices", Path: "/api/v1/devices/{deviceId}", Prefix: "guo", Class: "Device", Target: "UDDevice",
		Scope: "okta.devices", Area: AreaDevices,
		Verbs: Verbs{List: true, Get: true, Delete: 204},
		Page: Page{
			Default: 200, Max: 200,
			Search: []string{"id", "status", "lastUpdated", "profile.displayName", "profile.platform", "profile.registered", "profile.serialNumber", "profile.udid", "profile.sid", "profile.imei", "profile.meid", "profile.model", "profile.manufacturer", "profile.osVersion", "profile.secureHardwarePresent"},
		},
		Natural: []string{"profile.displayName"}, Stamps: dated,
		Operations: []Operation{
			activate, step("suspend", Active, "SUSPENDED"), step("unsuspend", "SUSPENDED", Active), deactivate,
			{Name: "users", Path: "users", Method: "GET", Read: true, Reply: usersOfDevice, Status: 200},
		},
		Fields: []Field{
			{Path: "status", Mode: ReadOnly, Default: Active},
			{Path: "profile", Type: Map, Default: doc.Doc{"displayName": "Device", "platform": "ANDROID", "registered": true}},
			{Path: "users", Type: List, Mode: WriteOnly},
		},
		Links: []Link{self("GET PATCH PUT")},
		Events: map[string]string{
			remove: "device.lifecycle.delete", "activate": "device.lifecycle.activate", "deactivate": "device.lifecycle.deactivate",
			"suspend": "device.lifecycle.suspend", "unsuspend": "device.lifecycle.unsuspend",
		},
		// Documented.
		Refusals: []Refusal{{On: []string{remove}, When: isNot("status", "DEACTIVATED"), With: failure.WrongDeviceStatus()}},
		Show:     showDevice,
	}
}

// showDevice adds the names under which Okta shows a device, and that it comes from
// Okta Verify (recorded).
func showDevice(v *View) {
	v.named("UDDevice", v.Object.text("profile.displayName"))
	v.Body["resourceAlternateId"] = nil
	for _, x := range v.Org.objectsIn(v.Org.kinds.named("authenticators"), "") {
		if x.Body["key"] == "okta_verify" && !v.InList {
			v.Body["_embedded"] = doc.Doc{"originatedFrom": []any{doc.Doc{"id": x.ID, "name": x.Body["name"], "key": x.Body["key"]}}}
		}
	}
}

// named adds the fields by which newer types say what they are.
func (v *View) named(resourceType, display string) {
	v.Body["resourceType"], v.Body["resourceId"] = resourceType, v.Object.ID
	v.Body["resourceDisplayName"] = doc.Doc{"value": display, "sensitive": false}
}

// usersOfDevice are the people who enrolled it, as they stand in the adopted object.
func usersOfDevice(c *Change) (any, error) {
	list := []any{}
	for _, e := range values(c.Body["users"]) {
		entry, ok := doc.Clone(e).(doc.Doc)
		if !ok {
			continue
		}
		if u, err := c.Org.User(doc.String(entry, "userId")); err == nil {
			entry["user"] = c.Org.UserBody(u)
		}
		delete(entry, "userId")
		list = append(list, entry)
	}
	return list, nil
}

var platforms = []string{"ANDROID", "CHROMEOS", "IOS", "MACOS", "WINDOWS"}

// assuranceStamps are the names of times and people in what is asked of devices.
var assuranceStamps = Stamps{Created: "createdDate", CreatedBy: "createdBy", Updated: "lastUpdate", UpdatedBy: "lastUpdatedBy"}

func deviceAssurances() Kind {
	phone, computer := is("platform", "ANDROID", "IOS"), is("platform", "MACOS", "WINDOWS")
	native := isNot("platform", "CHROMEOS")
	return Kind{
		Name: "device_assurances", Path: "/api/v1/device-assurances/{deviceAssuranceId}", Prefix: "dae", Class: "DeviceAssurancePolicyEntity",
		Scope: "okta.deviceAssurance", Area: AreaPolicies, Engine: "oie",
		Verbs:  crud(200),
		Stamps: assuranceStamps,
		Fields: []Field{
			{Path: "platform", Required: true, Enum: platforms, Mode: Fixed},
			{Path: "name", Required: true, Unique: InOrg, Max: 50},
			{Path: "osVersion", Type: Map, When: native},
			{Path: "osVersionConstraints", Type: List, When: is("platform", "WINDOWS")},
			{Path: "diskEncryptionType", Type: Map, When: is("platform", "ANDROID", "MACOS", "WINDOWS")},
			{Path: "diskEncryptionType.include", Type: List, Required: true, Enum: []string{"ALL_INTERNAL_VOLUMES", "FULL", "NONE", "SYSTEM_VOLUME", "USER"}},
			{Path: "jailbreak", Type: Bool, When: phone},
			{Path: "screenLockType", Type: Map, When: native},
			{Path: "screenLockType.include", Type: List, Enum: []string{"BIOMETRIC", "NONE", "PASSCODE"}},
			{Path: "secureHardwarePresent", Type: Bool, When: is("platform", "ANDROID", "MACOS", "WINDOWS")},
			{Path: "thirdPartySignalProviders", Type: Map, When: isNot("platform", "IOS")},
			{Path: "devicePostureChecks", Type: Map, When: computer},
			{Path: "gracePeriod", Type: Map},
			{Path: "displayRemediationMode", Enum: []string{"HIDE", "SHOW"}, Default: "HIDE"},
		},
		Links: []Link{self("GET PUT DELETE")},
		Events: map[string]string{
			create: "device.assurance.policy.add", replace: "device.assurance.policy.update", remove: "device.assurance.policy.delete",
		},
		Check: func(c *Change) error {
			// The refusal is an assumption.
			if c.Verb == remove && c.Org.mentioned(c.Object.ID) {
				return failure.Invalid("id", "id: It is used in a policy and cannot be deleted")
			}
			return nil
		},
		Show: showAssurance,
	}
}

// showAssurance leaves out who made it, when the answer is to an update (recorded).
func showAssurance(v *View) {
	v.named("DeviceAssurancePolicyEntity", v.Object.text("name"))
	if v.Verb == replace {
		delete(v.Body, "createdDate")
		delete(v.Body, "createdBy")
	}
}

// postureChecks are questions that Okta Verify asks a computer (documented).
func postureChecks() Kind {
	return Kind{
		Name: "device_posture_checks", Path: "/api/v1/device-posture-checks/{postureCheckId}", Prefix: "dch", Class: "DevicePostureCheck",
		Scope: "okta.devicePostureChecks", Area: AreaPolicies, Engine: "oie",
		Verbs:  crud(200),
		Page:   Page{Equal: map[string]string{"type": "type"}},
		Stamps: assuranceStamps,
		Fields: []Field{
			{Path: "name", Required: true, Unique: InOrg},
			{Path: "description"},
			{Path: "platform", Required: true, Enum: []string{"MACOS", "WINDOWS"}, Mode: Fixed},
			{Path: "mappingType", Required: true, Enum: []string{"CHECKBOX", "TEXTBOX"}},
			{Path: "query", Required: true},
			{Path: "type", Mode: ReadOnly, Default: "CUSTOM"},
			{Path: "variableName", Required: true, Unique: InOrg, Exact: true, Mode: Immutable},
			{Path: "remediationSettings", Type: Map},
		},
		Links:    []Link{self("GET PUT DELETE")},
		Events:   map[string]string{create: "device.posture.check.add", replace: "device.posture.check.update", remove: "device.posture.check.delete"},
		Refusals: []Refusal{{On: []string{replace, remove}, When: is("type", "BUILTIN"), With: failure.Unsupported("A check of Okta's own cannot be changed.")}},
		SeedKey:  []string{"variableName"},
		Show:     showPostureCheck,
		Seeds:    []Seed{{Body: macFirewall()}},
	}
}

// showPostureCheck names nobody for what Okta made.
func showPostureCheck(v *View) {
	if v.Object.text("type") == "BUILTIN" {
		delete(v.Body, "createdBy")
		delete(v.Body, "lastUpdatedBy")
	}
}

// macFirewall is the one check of Okta's own that is published.
func macFirewall() doc.Doc {
	return doc.Doc{
		"name": "Device posture check macOS", "description": "Query macOS devices to check if firewall is enabled", "platform": "MACOS",
		"mappingType": "CHECKBOX", "type": "BUILTIN", "variableName": "macOSFirewall",
		"query": "SELECT CASE WHEN global_state = 0 THEN 0 ELSE 1 END AS firewall_enabled FROM  alf;",
		"remediationSettings": doc.Doc{
			"link":    doc.Doc{"defaultUrl": "https://help.okta.com/eu/en-us/content/topics/end-user/ov-device-health-macos.htm"},
			"message": doc.Doc{"defaultI18nKey": "macos.firewall.enabled.remediation.message"},
		},
	}
}

// DefaultPostureChecks are the checks of Okta's own.
func (o *Org) DefaultPostureChecks() []any {
	k, list := o.kinds.named("device_posture_checks"), []any{}
	for _, x := range o.objectsIn(k, "") {
		if x.text("type") == "BUILTIN" {
			list = append(list, o.Show(k, x, View{InList: true}, 0))
		}
	}
	return list
}
