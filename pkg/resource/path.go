package resource

// Path names fields of a JSON object: keys joined by dots, "[]" for each element
// of a list, "*" for each value of a map:
// "profile.name", "conditions.people.groups.include[]", "_links.accessPolicy.href".
type Path string
