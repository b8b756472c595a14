package api

// schema is a JSON Schema (2020-12, the dialect of OpenAPI 3.1) of a value in a
// request or an answer. An empty schema allows everything.
type schema = object

// kind is a value of one of the basic types: "string", "integer", "boolean".
func kind(name string) schema { return schema{{"type", name}} }

// orNull is s or null.
func orNull(s schema) schema { return either(s, kind("null")) }

// either is what has the form of one of the schemas.
func either(all ...schema) schema { return schema{{"anyOf", all}} }

// oneOf is one of these texts and nothing else.
func oneOf(texts ...string) schema { return schema{{"type", "string"}, {"enum", texts}} }

// textUpTo is a text of at most so many characters.
func textUpTo(characters int) schema { return schema{{"type", "string"}, {"maxLength", characters}} }

// between is an integer from least to most, both included.
func between(least, most int) schema {
	return schema{{"type", "integer"}, {"minimum", least}, {"maximum", most}}
}

// formatted is a text in a form that JSON Schema or OpenAPI has a name for: "uuid", "date-time", "ipv4".
func formatted(format string) schema { return schema{{"type", "string"}, {"format", format}} }

// listOf is a list of such items.
func listOf(item schema) schema { return schema{{"type", "array"}, {"items", item}} }

// mapOf is an object with any names and such values.
func mapOf(value schema) schema { return schema{{"type", "object"}, {"additionalProperties", value}} }

// field is a member of an object that is always there.
type field struct {
	name   string
	schema schema
	doc    string
}

// record is an object with just these members.
func record(fields ...field) schema {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return append(openRecord(names, fields...), member{"additionalProperties", false})
}

// openRecord is an object with these members, of which it must have the named
// ones, and others that are ignored: the form of what clients give.
func openRecord(required []string, fields ...field) schema {
	var properties object
	for _, f := range fields {
		properties = append(properties, member{f.name, described(f.schema, f.doc)})
	}
	return schema{{"type", "object"}, {"properties", properties}, {"required", required}}
}

// described is s with a sentence about it.
func described(s schema, doc string) schema {
	if doc == "" {
		return s
	}
	return append(s[:len(s):len(s)], member{"description", doc})
}
