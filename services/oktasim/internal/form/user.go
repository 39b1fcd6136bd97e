package form

import "imago/services/oktasim/internal/doc"

// user is a user; types of the profile are the schema's.
func user() doc.Doc {
	return doc.Doc{
		"credentials": doc.Doc{
			"password": doc.Doc{
				"hash": doc.Doc{
					"algorithm": text, "digestAlgorithm": text, "iterationCount": number, "keySize": number, "salt": text,
					"saltOrder": text, "value": text, "workFactor": number,
				},
				"hook": doc.Doc{"type": text}, "value": text,
			},
			"provider": doc.Doc{"name": text, "type": text}, "recovery_question": doc.Doc{"answer": text, "question": text},
		},
		"groupIds": []any{text}, "realmId": text, "type": doc.Doc{"id": text},
	}
}
