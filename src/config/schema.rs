//! JSON Schema (draft 2020-12) of the file, from `shape` and the register, for
//! editors that complete and check YAML.

use serde_json::{Map, Value, json};

use super::options::{OptionMeta, Scope, ValueKind, register};
use super::shape::{Field, Object, Takes};

/// The schema. It says what one file may hold; references between objects are
/// checked by loading it.
#[must_use]
pub fn schema() -> Value {
    let Value::Object(file) = object(Object::File) else {
        return Value::Null;
    };
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Configuration of sipcluster"));
    schema.extend(file);
    Value::Object(schema)
}

fn object(object: Object) -> Value {
    let fields = object.fields().iter().filter(|field| field.takes != Takes::Never);
    let properties: Map<_, _> =
        fields.clone().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<_> = fields.filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(field: &Field) -> Value {
    let mut value = match field.takes {
        Takes::Text => json!({ "type": ["string", "number"] }),
        Takes::Flag => json!({ "type": ["boolean", "string"] }),
        Takes::Number(min, max) => json!({
            "anyOf": [{ "type": "integer", "minimum": min, "maximum": max }, { "type": "string" }]
        }),
        Takes::Choice(words) => json!({ "enum": words }),
        Takes::Socket => json!({ "type": "string" }),
        Takes::Keys => json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "maxItems": 2 }]
        }),
        Takes::Names => {
            json!({ "type": ["array", "string", "number"], "items": { "type": ["string", "number"] } })
        }
        Takes::Numbers(min, max) => {
            let number = json!({ "type": "integer", "minimum": min, "maximum": max });
            json!({ "anyOf": [{ "type": "array", "items": number.clone() }, number] })
        }
        Takes::Levels => {
            json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } })
        }
        Takes::One(inner) => object(inner),
        Takes::Many(inner) => json!({ "type": "array", "items": object(inner) }),
        Takes::Options(scopes) => options(scopes),
        Takes::Never => json!(false),
    };
    if let Value::Object(map) = &mut value {
        map.insert("description".to_owned(), json!(field.meaning));
    }
    value
}

/// Options of any of the scopes. A name with several entries takes what any of them takes.
fn options(scopes: &[Scope]) -> Value {
    let mut properties: Map<String, Value> = Map::new();
    let mut patterns = Map::new();
    for meta in register().filter(|meta| meta.scopes.iter().any(|scope| scopes.contains(scope))) {
        let value = option(meta);
        if let Some(stem) = meta.name.strip_suffix("-N") {
            patterns.insert(format!("^{stem}-[0-9]+$"), value);
        } else if let Some(Value::Object(known)) = properties.get_mut(meta.name) {
            if let Some(Value::Array(any)) = known.get_mut("anyOf") {
                any.push(value);
            }
        } else {
            properties.insert(meta.name.to_owned(), json!({ "anyOf": [value] }));
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false
    })
}

fn option(meta: &OptionMeta) -> Value {
    let mut value = match meta.kind {
        ValueKind::Flag => json!({ "type": ["boolean", "string", "integer", "null"] }),
        ValueKind::Number { min, max: i64::MAX } => {
            json!({ "type": ["integer", "string"], "minimum": min })
        }
        ValueKind::Number { min, max } => {
            json!({ "type": ["integer", "string"], "minimum": min, "maximum": max })
        }
        ValueKind::Duration { .. } => json!({ "type": ["integer", "string"], "minimum": 0 }),
        ValueKind::Choice(words) => json!({ "enum": words }),
        ValueKind::Text | ValueKind::RejectOrDn => {
            json!({ "type": ["string", "number", "boolean", "null"] })
        }
        ValueKind::List => json!({ "type": ["array", "string", "number", "null"] }),
        ValueKind::Pairs | ValueKind::CodePairs => json!({ "type": ["object", "string", "null"] }),
        ValueKind::SipAddress => json!({ "type": "string" }),
        ValueKind::HttpAddress => json!({ "type": "string", "pattern": "^https?://" }),
        ValueKind::Anything => json!({}),
    };
    if let Value::Object(map) = &mut value {
        map.insert(
            "description".to_owned(),
            json!(format!("{} ({})", meta.help(), meta.state.title())),
        );
    }
    value
}
