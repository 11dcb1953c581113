//! A page to try the API on: made from its description, so that it shows what there is.
//!
//! It runs one script of ours and loads nothing from anywhere else. A token that is typed there
//! stays in the window: it is sent with calls, and neither stored nor put into an address.

use askama::Template;
use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::site::Site;

/// The page and its two files.
pub(super) fn routes(described: &OpenApi) -> Router<Site> {
    let page = page(described).unwrap_or_else(|| "the page could not be drawn".to_owned());
    let file = |kind: &'static str, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, kind)], text))
    };
    let css = include_str!("../../assets/inbox.css");
    let js = include_str!("../../assets/openapi.js");
    let page = async move || {
        let policy = [(header::CONTENT_SECURITY_POLICY, POLICY)];
        (policy, Html(page)).into_response()
    };
    Router::new()
        .route("/openapi", get(page))
        .route("/openapi/page.css", file("text/css; charset=utf-8", css))
        .route(
            "/openapi/page.js",
            file("text/javascript; charset=utf-8", js),
        )
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "openapi.html")]
struct Page {
    title: String,
    about: String,
    parts: Vec<Part>,
}

/// The operations for one kind of caller.
struct Part {
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    token: Option<String>,
    params: Vec<Param>,
    body: Option<String>,
    answers: Vec<(String, String)>,
}

struct Param {
    name: String,
    place: String,
    about: String,
    required: bool,
}

/// The page, drawn once: what it describes does not change while the server runs.
fn page(described: &OpenApi) -> Option<String> {
    let all = serde_json::to_value(described).ok()?;
    let parts = list(&all, "tags").map(|tag| {
        let name = text(tag, "name");
        Part {
            about: text(tag, "description"),
            operations: operations(&all)
                .filter(|(_, _, operation)| {
                    list(operation, "tags").any(|tag| tag.as_str() == Some(&name))
                })
                .map(|(path, method, operation)| read(&all, path, method, operation))
                .collect(),
        }
    });
    let info = all.get("info").unwrap_or(&Value::Null);
    let page = Page {
        title: text(info, "title"),
        about: text(info, "description"),
        parts: parts.collect(),
    };
    page.render().ok()
}

/// Every operation with its path and its method.
fn operations(all: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = all.get("paths").and_then(Value::as_object);
    let paths = paths.into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        let methods = methods.filter(|(_, operation)| operation.get("responses").is_some());
        methods.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn read(all: &Value, path: &str, method: &str, operation: &Value) -> Operation {
    let params = list(operation, "parameters").map(|param| Param {
        name: text(param, "name"),
        place: text(param, "in"),
        about: text(param, "description"),
        required: param.get("required") == Some(&Value::Bool(true)),
    });
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let answers = operation.get("responses").and_then(Value::as_object);
    let answers = answers.into_iter().flatten();
    Operation {
        id: text(operation, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: match text(operation, "summary") {
            empty if empty.is_empty() => text(operation, "description"),
            summary => summary,
        },
        token: list(operation, "security")
            .find_map(|scheme| scheme.as_object()?.keys().next().cloned()),
        params: params.collect(),
        body: schema.map(|schema| {
            let sample = sample(all, schema, 0);
            serde_json::to_string_pretty(&sample).unwrap_or_default()
        }),
        answers: answers
            .map(|(status, answer)| (status.clone(), text(answer, "description")))
            .collect(),
    }
}

/// The smallest value of a schema, to begin with.
fn sample(all: &Value, schema: &Value, depth: u8) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    let deeper = |schema: &Value| sample(all, schema, depth + 1);
    if let Some(place) = schema.get("$ref").and_then(Value::as_str) {
        let found = place.strip_prefix('#').and_then(|place| all.pointer(place));
        return found.map_or(Value::Null, deeper);
    }
    if let Some(example) = schema.get("example").or_else(|| schema.get("const")) {
        return example.clone();
    }
    let choices = ["enum", "oneOf", "anyOf", "allOf"];
    let first = choices
        .iter()
        .find_map(|name| list(schema, name).next().map(|first| (*name, first)));
    match first {
        Some(("enum", first)) => return first.clone(),
        Some((_, first)) => return deeper(first),
        None => {}
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
        kind => kind,
    };
    match kind.and_then(Value::as_str) {
        Some("object") => {
            let members = schema.get("properties").and_then(Value::as_object);
            let needed = |name: &str| list(schema, "required").any(|needed| *needed == *name);
            let members = members.into_iter().flatten();
            let members = members.filter(|(name, _)| needed(name));
            let members = members.map(|(name, member)| (name.clone(), deeper(member)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("string") => json!(""),
        Some("boolean") => json!(false),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        _ => json!({}),
    }
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(of: &Value, name: &str) -> String {
    let text = of.get(name).and_then(Value::as_str);
    text.unwrap_or_default().trim().to_owned()
}

const DEEPEST: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_described_is_on_the_page() {
        let described = super::super::description().1;
        let page = page(&described).unwrap();
        let all = serde_json::to_value(&described).unwrap();
        let mut seen = 0;
        for (path, method, operation) in operations(&all) {
            let id = format!("id=\"{}\"", text(operation, "operationId"));
            assert!(page.contains(&id), "{method} {path}");
            seen += 1;
        }
        assert!(seen > 9 && page.matches("<form").count() == seen, "{seen}");
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("//cdn"));
    }

    #[test]
    fn a_body_begins_with_what_it_must_have() {
        let described = super::super::description().1;
        let all = serde_json::to_value(&described).unwrap();
        let (path, method, operation) = operations(&all)
            .find(|(path, method, _)| (*path, *method) == ("/v1/requests", "post"))
            .unwrap();
        let body = read(&all, path, method, operation).body.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(
            body.get("tool").is_some() && body.get("arguments").is_some(),
            "{body}"
        );
    }
}
