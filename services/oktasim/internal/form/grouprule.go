package form

import "imago/services/oktasim/internal/doc"

// groupRule is a group rule.
func groupRule() doc.Doc {
	return doc.Doc{
		"actions": doc.Doc{"assignUserToGroups": doc.Doc{"groupIds": []any{text}}},
		"conditions": doc.Doc{
			"expression": doc.Doc{"type": text, "value": text},
			"people":     doc.Doc{"groups": doc.Doc{"exclude": []any{text}}, "users": doc.Doc{"exclude": []any{text}}},
		},
		"name": text, "status": words{"ACTIVE", "INACTIVE", "INVALID"}, "type": words{"group_rule"},
	}
}
