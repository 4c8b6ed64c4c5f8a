//! What the agent may do, as rules of a session. The last rule that matches decides.

use rdev_runner_domain::{AgentRequest, PermissionProfile, ToolRule};
use serde_json::{Value, json};

/// Returns the rules for a request. They begin with a rule for everything, so that they override those that a
/// session has from an earlier command. Questions are denied, because no one can answer.
pub(crate) fn rules(request: &AgentRequest) -> Value {
    let draft = request.draft();
    let mut rules = vec![rule("*", "*", "allow"), rule("question", "*", "deny")];
    let denied: &[&str] = match draft.permissions {
        PermissionProfile::ReadOnly => &["edit", "bash", "webfetch"],
        PermissionProfile::Edit => &["bash"],
        PermissionProfile::Full => &[],
    };
    rules.extend(denied.iter().map(|permission| rule(permission, "*", "deny")));
    rules.extend(draft.allowed_tools.iter().map(|tool| tool_rule(tool, "allow")));
    rules.extend(draft.denied_tools.iter().map(|tool| tool_rule(tool, "deny")));
    Value::Array(rules)
}

/// Returns the names of a model's provider and of the model, which are written `provider/model`.
pub(crate) fn model(name: &str) -> Option<Value> {
    let (provider, model) = name.split_once('/')?;
    (!provider.is_empty() && !model.is_empty()).then(|| json!({ "providerID": provider, "modelID": model }))
}

fn tool_rule(tool: &ToolRule, action: &str) -> Value {
    let name = tool.tool().to_ascii_lowercase();
    // One permission covers all tools that change files.
    let permission = match name.as_str() {
        "write" | "patch" | "multiedit" | "notebookedit" => "edit",
        name => name,
    };
    rule(permission, tool.pattern().unwrap_or("*"), action)
}

fn rule(permission: &str, pattern: &str, action: &str) -> Value {
    json!({ "permission": permission, "pattern": pattern, "action": action })
}

#[cfg(test)]
mod tests {
    use rdev_runner_domain::RequestDraft;
    use rdev_runner_testkit::{draft, request};

    use super::*;

    fn written(permissions: PermissionProfile, allowed: &[&str], denied: &[&str]) -> Vec<String> {
        let parse = |tools: &[&str]| tools.iter().map(|tool| tool.parse().unwrap()).collect();
        let draft = RequestDraft {
            permissions,
            allowed_tools: parse(allowed),
            denied_tools: parse(denied),
            ..draft(1, "Hello.")
        };
        let rules = rules(&request(draft));
        let text = |rule: &Value, member: &str| rule[member].as_str().unwrap().to_owned();
        let write = |rule| {
            format!("{} {}({})", text(rule, "action"), text(rule, "permission"), text(rule, "pattern"))
        };
        rules.as_array().unwrap().iter().map(write).collect()
    }

    #[test]
    fn a_profile_denies_what_it_does_not_include() {
        let always = ["allow *(*)", "deny question(*)"];
        let read = written(PermissionProfile::ReadOnly, &[], &[]);
        assert_eq!(read, [&always[..], &["deny edit(*)", "deny bash(*)", "deny webfetch(*)"]].concat());
        assert_eq!(written(PermissionProfile::Full, &[], &[]), always);
    }

    #[test]
    fn denied_tools_take_precedence() {
        let rules = written(PermissionProfile::Edit, &["Bash(cargo *)", "Write"], &["Bash(cargo publish)"]);
        let expected = ["deny bash(*)", "allow bash(cargo *)", "allow edit(*)", "deny bash(cargo publish)"];
        assert_eq!(rules[2..], expected);
    }

    #[test]
    fn a_model_has_a_provider() {
        let expected = json!({ "providerID": "openrouter", "modelID": "vendor/model" });
        assert_eq!(model("openrouter/vendor/model"), Some(expected));
        for invalid in ["model", "/model", "provider/"] {
            assert_eq!(model(invalid), None);
        }
    }
}
