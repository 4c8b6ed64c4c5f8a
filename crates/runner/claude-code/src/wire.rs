//! The parts of the lines.

use std::time::Duration;

use rdev_runner_domain::{AgentEventKind, Usage, Usd};
use serde_json::Value;

/// Returns the text of the first of these members that has one.
pub(crate) fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(name)?.as_str())
}

pub(crate) fn owned(value: &Value, names: &[&str]) -> String {
    text(value, names).unwrap_or_default().to_owned()
}

pub(crate) fn status(value: &Value, name: &str) -> Option<u16> {
    value.get(name)?.as_u64()?.try_into().ok()
}

/// Returns the tool call that started the subagent that a line is about.
pub(crate) fn parent(line: &Value) -> Option<String> {
    text(line, &["parent_tool_use_id"]).map(str::to_owned)
}

/// Returns content as text: a text itself, or the texts of a list of blocks.
pub(crate) fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| match (text(block, &["text"]), text(block, &["type"])) {
                (Some(text), _) => text.to_owned(),
                (None, Some(kind)) => format!("[{kind}]"),
                (None, None) => block.to_string(),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(crate) fn tool_call(block: &Value, parent: Option<String>) -> AgentEventKind {
    let input = ["input", "parameters"].iter().find_map(|name| block.get(name));
    AgentEventKind::ToolCall {
        id: owned(block, &["id", "tool_use_id", "tool_id"]),
        name: owned(block, &["name", "tool_name"]),
        input: input.map_or_else(|| "{}".to_owned(), Value::to_string),
        parent,
    }
}

pub(crate) fn tool_result(block: &Value, parent: Option<String>) -> AgentEventKind {
    let content = ["content", "output"].iter().find_map(|name| block.get(name)).unwrap_or(&Value::Null);
    let is_error = block.get("is_error").and_then(Value::as_bool);
    AgentEventKind::ToolResult {
        id: owned(block, &["tool_use_id", "tool_id", "id"]),
        content: content_text(content),
        is_error: is_error.unwrap_or(text(block, &["status"]) == Some("error")),
        parent,
    }
}

pub(crate) fn retry(line: &Value) -> AgentEventKind {
    let number = |name| line.get(name).and_then(Value::as_f64);
    AgentEventKind::Retry {
        attempt: line.get("attempt").and_then(Value::as_u64).and_then(|n| n.try_into().ok()).unwrap_or(0),
        delay: number("retry_delay_ms").and_then(|ms| Duration::try_from_secs_f64(ms / 1_000.0).ok()),
        status: status(line, "error_status"),
        message: owned(line, &["error"]),
    }
}

/// Returns the tokens and the cost of a map of models.
pub(crate) fn model_usage(models: &serde_json::Map<String, Value>) -> (Usage, Usd) {
    let mut sum = (Usage::default(), Usd::ZERO);
    for model in models.values() {
        let number = |name| model.get(name).and_then(Value::as_u64).unwrap_or(0);
        sum.0 += Usage {
            input_tokens: number("inputTokens"),
            output_tokens: number("outputTokens"),
            cache_read_tokens: number("cacheReadInputTokens"),
            cache_write_tokens: number("cacheCreationInputTokens"),
        };
        sum.1 = sum.1 + dollars(model, &["costUSD"]).unwrap_or(Usd::ZERO);
    }
    sum
}

/// Returns the tokens of a `usage` object.
pub(crate) fn usage(usage: &Value) -> Usage {
    let number = |name| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input_tokens: number("input_tokens"),
        output_tokens: number("output_tokens"),
        cache_read_tokens: number("cache_read_input_tokens"),
        cache_write_tokens: number("cache_creation_input_tokens"),
    }
}

pub(crate) fn dollars(value: &Value, names: &[&str]) -> Option<Usd> {
    names.iter().find_map(|name| value.get(name)?.as_f64()).and_then(|dollars| dollars.try_into().ok())
}
