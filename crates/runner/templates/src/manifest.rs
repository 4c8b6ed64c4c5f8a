//! The manifest of a template, `template.toml`.

use rdev_runner_domain::{
    Template, TemplateFault, TemplateName, TemplateVariable, VariableKind, VariableName, VariableValue,
};
use serde::Deserialize;

use crate::fault::{fault, line_at};

/// The name of the manifest in the folder of a template.
pub(crate) const MANIFEST: &str = "template.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestToml {
    description: String,
    #[serde(default)]
    variables: Vec<VariableToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableToml {
    name: String,
    description: String,
    #[serde(rename = "type")]
    kind: String,
    min: Option<i64>,
    max: Option<i64>,
    values: Option<Vec<String>>,
    default: Option<ValueToml>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, a whole number, true or false, or a list of texts")]
enum ValueToml {
    Boolean(bool),
    Integer(i64),
    Text(String),
    List(Vec<String>),
}

/// Reads a manifest.
pub(crate) fn read(name: &TemplateName, text: &str) -> Result<Template, TemplateFault> {
    let manifest: ManifestToml = toml::from_str(text).map_err(|error| TemplateFault {
        file: MANIFEST.to_owned(),
        line: error.span().map(|span| line_at(text, span.start)),
        reason: error.message().to_owned(),
    })?;
    let variables: Result<_, _> = manifest.variables.into_iter().map(variable).collect();
    let variables = variables.map_err(|reason| fault(MANIFEST, reason))?;
    Template::new(name.clone(), manifest.description, variables).map_err(|error| fault(MANIFEST, error))
}

fn variable(read: VariableToml) -> Result<TemplateVariable, String> {
    let VariableToml { name, description, kind, min, max, values, default } = read;
    let parsed: Result<VariableName, _> = name.parse();
    let parsed = parsed.map_err(|error| format!("variable {name:?}: the name {error}"))?;
    let is_integer = kind == "integer";
    if !is_integer && (min.is_some() || max.is_some()) {
        return Err(format!("variable {name}: min and max are for the type integer"));
    }
    if kind != "choice" && values.is_some() {
        return Err(format!("variable {name}: values are for the type choice"));
    }
    let kind = match kind.as_str() {
        "slug" => VariableKind::Slug,
        "text" => VariableKind::Text,
        "url" => VariableKind::Url,
        "integer" => VariableKind::Integer { min: min.unwrap_or(i64::MIN), max: max.unwrap_or(i64::MAX) },
        "boolean" => VariableKind::Boolean,
        "choice" => VariableKind::Choice { values: values.unwrap_or_default() },
        "list" => VariableKind::List,
        other => {
            let known = "slug, text, url, integer, boolean, choice and list";
            return Err(format!("variable {name}: {other:?} is no type: the types are {known}"));
        }
    };
    let default = default.map(|value| match value {
        ValueToml::Boolean(value) => VariableValue::Boolean(value),
        ValueToml::Integer(value) => VariableValue::Integer(value),
        ValueToml::Text(value) => VariableValue::Text(value),
        ValueToml::List(value) => VariableValue::List(value),
    });
    Ok(TemplateVariable { name: parsed, description, kind, default })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Template, String> {
        read(&"service".parse().unwrap(), text).map_err(|fault| fault.to_string())
    }

    #[test]
    fn each_type_has_its_members() {
        let text = r#"
            description = "A service."
            [[variables]]
            name = "port"
            description = "The port."
            type = "integer"
            min = 1
            max = 65535
            default = 8080
            [[variables]]
            name = "edition"
            description = "The edition."
            type = "choice"
            values = ["2021", "2024"]
            default = "2024"
            [[variables]]
            name = "owners"
            description = "The owners."
            type = "list"
            default = []
        "#;
        let template = read_text(text).unwrap();
        let kinds: Vec<_> = template.variables().iter().map(|variable| variable.kind.as_str()).collect();
        assert_eq!(kinds, ["integer", "choice", "list"]);
        assert_eq!(template.variables()[0].default, Some(VariableValue::Integer(8080)));
    }

    #[test]
    fn a_fault_is_reported_with_its_line() {
        let variable = |rest: &str| {
            format!("description = \"A.\"\n[[variables]]\nname = \"a\"\ndescription = \"A.\"\n{rest}")
        };
        for (text, expected) in [
            ("description = ", "template.toml, line 1:"),
            ("description = \"A.\"\ninclude = \"x\"", "template.toml, line 2: unknown field `include`"),
            ("", "template.toml, line 1: missing field `description`"),
            (&variable("type = \"path\""), "template.toml: variable a: \"path\" is no type"),
            (&variable("type = \"text\"\nmin = 1"), "template.toml: variable a: min and max are for"),
            (&variable("type = \"text\"\nvalues = []"), "template.toml: variable a: values are for"),
            (&variable("type = \"text\"\ndefault = 1.5"), "template.toml, line 6: a text, a whole number"),
            (&variable("type = \"text\"\ndefault = 1"), "template.toml: variable a: default must be a text"),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
