//! Holds answers to the OpenAPI document, so that it cannot say what is not so.

use serde_json::{Map, Value};

/// The document's template for `path`, and its entry.
pub(crate) fn entry<'a>(document: &'a Value, path: &str) -> Option<(&'a str, &'a Value)> {
    let path = path.split('?').next().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(_)) if part.starts_with('{') => {}
                (Some(part), Some(other)) if part == other => {}
                _ => return false,
            }
        }
    };
    // A template without a name goes before one that has one.
    let exact = paths.get_key_value(path);
    let found = exact.or_else(|| paths.iter().find(|(template, _)| fits(template)));
    found.map(|(template, entry)| (template.as_str(), entry))
}

/// Panics unless the document has the route and its answer is of the shape it says.
pub(crate) fn answer(document: &Value, method: &str, path: &str, status: u16, body: &[u8]) {
    let Some((_, entry)) = entry(document, path) else { return };
    let Some(operation) = entry.get(method.to_ascii_lowercase()) else { return };
    let responses = &operation["responses"];
    let response = responses.get(status.to_string()).or_else(|| responses.get("default"));
    let response = response.unwrap_or_else(|| panic!("{method} {path}: {status} is not told"));
    match response.get("content") {
        None => assert!(body.is_empty(), "{method} {path}: a body that is not told"),
        Some(content) if content.get("application/json").is_none() => {}
        Some(content) => {
            let schema = &content["application/json"]["schema"];
            let body: Value = serde_json::from_slice(body).unwrap();
            let wrong = mismatch(document, schema, &body);
            assert_eq!(wrong, None, "{method} {path}: {body:#}");
        }
    }
}

/// What of `value` is not as `schema` says.
pub(crate) fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        return mismatch(document, target.expect("what is referred to is there"), value);
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let wrong: Vec<_> =
            choices.iter().filter_map(|choice| mismatch(document, choice, value)).collect();
        return (wrong.len() == choices.len()).then(|| wrong.join(" and "));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        return Some(format!("{value} is none of {allowed:?}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        // Any value.
        _ => {
            let told = schema.as_object().expect("a schema is an object");
            assert!(told.keys().all(|key| key == "description" || key == "enum"), "{schema}");
            return None;
        }
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) if kinds.contains(&"number") => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&kind) {
        return Some(format!("{value} is no {kinds:?}"));
    }
    match value {
        Value::Array(items) => array(document, schema, items),
        Value::Object(fields) => object(document, schema, fields),
        _ => None,
    }
}

fn array(document: &Value, schema: &Value, items: &[Value]) -> Option<String> {
    if let Some(parts) = schema.get("prefixItems").and_then(Value::as_array) {
        if parts.len() != items.len() {
            return Some(format!("{items:?} has not {} items", parts.len()));
        }
        return parts.iter().zip(items).find_map(|(part, item)| mismatch(document, part, item));
    }
    items.iter().find_map(|item| mismatch(document, &schema["items"], item))
}

fn object(document: &Value, schema: &Value, fields: &Map<String, Value>) -> Option<String> {
    let required = schema.get("required").and_then(Value::as_array);
    let names = required.into_iter().flatten().filter_map(Value::as_str);
    if let Some(absent) = names.clone().find(|name| !fields.contains_key(*name)) {
        return Some(format!("`{absent}` is missing"));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let more = schema.get("additionalProperties");
    if properties.is_none() && more.is_none() {
        return None;
    }
    fields.iter().find_map(|(name, value)| {
        let property = properties.and_then(|properties| properties.get(name)).or(more);
        match property {
            Some(property) => {
                mismatch(document, property, value).map(|why| format!("{name}: {why}"))
            }
            None => Some(format!("`{name}` is not told")),
        }
    })
}
