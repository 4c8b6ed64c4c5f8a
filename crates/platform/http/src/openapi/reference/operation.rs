//! An operation on the page.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::markup::{Escaped, Line, Paragraphs};
use super::{members, resolve, schema, text};

/// A document, and how its examples are formatted.
type Written<'a> = (&'a Value, fn(&Value) -> String);

pub(super) fn write(
    html: &mut String,
    (document, pretty): Written<'_>,
    method: &str,
    path: &str,
    operation: &Value,
) -> fmt::Result {
    let id = Escaped(text(operation, "operationId"));
    let (shown, shown_path) = (Escaped(method), Escaped(path));
    let summary = Escaped(text(operation, "summary"));
    writeln!(
        html,
        "<section id=\"{id}\">\n<h3>{summary}</h3>\n\
         <p class=\"call\"><b class=\"{shown}\">{shown}</b> <code>{shown_path}</code></p>\n{}",
        Paragraphs(text(operation, "description"))
    )?;
    // A receiver has no path.
    if path.starts_with('/') {
        writeln!(html, "<pre class=\"curl\">{}</pre>", Escaped(&curl(method, path, operation)))?;
    }
    parameters(html, document, operation)?;
    let body = &operation["requestBody"];
    if body.is_object() {
        let optional = if body["required"] == true { "" } else { " <small>optional</small>" };
        writeln!(html, "<h4>Body{optional}</h4>\n{}", Paragraphs(text(body, "description")))?;
        contents(html, pretty, body)?;
    }
    writeln!(html, "<h4>Responses</h4>")?;
    for (status, answer) in members(&operation["responses"]) {
        self::answer(html, (document, pretty), status, resolve(document, answer))?;
    }
    writeln!(html, "</section>")
}

/// Returns a command that sends the request, with the shortest example of the body if one is required.
fn curl(method: &str, path: &str, operation: &Value) -> String {
    let mut command = "curl -sS".to_owned();
    if method != "get" {
        command += &format!(" -X {}", method.to_uppercase());
    }
    if operation["security"][0].is_object() {
        command += " -H @authorization";
    }
    let body = &operation["requestBody"];
    let content = members(&body["content"]).next().filter(|_| body["required"] == true);
    if let Some((media_type, content)) = content {
        let several = members(&content["examples"]).map(|(_, example)| &example["value"]);
        let examples = content.get("example").into_iter().chain(several).map(Value::to_string);
        let example = examples.min_by_key(String::len).unwrap_or_default().replace('\'', "'\\''");
        command += &format!(" -H 'Content-Type: {media_type}' -d '{example}'");
    }
    let parts = path.split(['{', '}']).enumerate();
    let url: String = parts
        .map(|(i, part)| if i % 2 == 0 { part.into() } else { format!("${}", part.to_uppercase()) })
        .collect();
    format!("{command} \"$RDEV{url}\"")
}

fn parameters(html: &mut String, document: &Value, operation: &Value) -> fmt::Result {
    let parameters: Vec<_> = operation["parameters"].as_array().into_iter().flatten().collect();
    if parameters.is_empty() {
        return Ok(());
    }
    writeln!(html, "<h4>Parameters</h4>\n<table>")?;
    for parameter in parameters.into_iter().map(|parameter| resolve(document, parameter)) {
        let name = Escaped(text(parameter, "name"));
        let place = Escaped(text(parameter, "in"));
        let required = if parameter["required"] == true { " <em>required</em>" } else { "" };
        writeln!(
            html,
            "<tr><th><code>{name}</code><small>{place}{required}</small></th><td>{}{}</td></tr>",
            schema::Summary(&parameter["schema"]),
            Paragraphs(text(parameter, "description"))
        )?;
    }
    writeln!(html, "</table>")
}

fn answer(html: &mut String, (document, pretty): Written<'_>, status: &str, answer: &Value) -> fmt::Result {
    let mut meaning = text(answer, "description").split("\n\n");
    let first = Line(meaning.next().unwrap_or_default());
    let status = Escaped(status);
    writeln!(html, "<details><summary><b class=\"status\">{status}</b> {first}</summary>")?;
    for further in meaning {
        writeln!(html, "<p>{}</p>", Line(further))?;
    }
    let mut headers = members(&answer["headers"]).peekable();
    if headers.peek().is_some() {
        writeln!(html, "<table>")?;
        for (name, header) in headers {
            let meaning = Line(text(resolve(document, header), "description"));
            let name = Escaped(name);
            writeln!(html, "<tr><th><code>{name}</code><small>header</small></th><td>{meaning}</td></tr>")?;
        }
        writeln!(html, "</table>")?;
    }
    contents(html, pretty, answer)?;
    writeln!(html, "</details>")
}

/// Writes the content of a body or response: its schema once, even if it has several media types.
fn contents(html: &mut String, pretty: fn(&Value) -> String, holder: &Value) -> fmt::Result {
    let types: Vec<_> = members(&holder["content"]).map(|(name, _)| Escaped(name)).collect();
    let Some((_, content)) = members(&holder["content"]).next() else {
        return Ok(());
    };
    let types: Vec<_> = types.iter().map(|name| format!("<code>{name}</code>")).collect();
    writeln!(html, "<p>{}: {}</p>", types.join(" or "), schema::Summary(&content["schema"]))?;
    schema::members_of(html, &content["schema"])?;
    if let Some(example) = content.get("example") {
        self::example(html, pretty, "Example", example)?;
    }
    for (name, example) in members(&content["examples"]) {
        let what = example["summary"].as_str().unwrap_or(name);
        self::example(html, pretty, &format!("Example: {what}"), &example["value"])?;
    }
    Ok(())
}

fn example(html: &mut String, pretty: fn(&Value) -> String, what: &str, value: &Value) -> fmt::Result {
    // Text that is not JSON is shown unchanged.
    let text = value.as_str().map_or_else(|| pretty(value), str::to_owned);
    writeln!(html, "<p><small>{}</small></p>\n<pre>{}</pre>", Escaped(what), Escaped(&text))
}
