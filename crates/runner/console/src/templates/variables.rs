//! The variables of a template as the fields of a form.

use std::collections::BTreeMap;

use rdev_pages::{Form, FormFaults, Input};
use rdev_runner_domain::{Template, TemplateVariable, VariableKind, VariableValue};

/// Returns the name of the field of a variable.
pub(super) fn field(name: &str) -> String {
    format!("var-{name}")
}

/// Reads the values of a form. Those that it leaves out have their defaults.
pub(super) fn read(template: &Template, form: &Form) -> BTreeMap<String, VariableValue> {
    let given = |variable: &TemplateVariable| Some((variable.name.to_string(), value(variable, form)?));
    template.variables().iter().filter_map(given).collect()
}

fn value(variable: &TemplateVariable, form: &Form) -> Option<VariableValue> {
    let field = field(variable.name.as_str());
    let text = form.text(&field);
    let value = match (&variable.kind, text.trim()) {
        _ if !form.has(&field) => return None,
        (VariableKind::List, "") if variable.default.is_none() => return None,
        (VariableKind::List, _) => {
            return Some(VariableValue::List(form.lines(&field).map(str::to_owned).collect()));
        }
        // An empty text is a value where one need not be given.
        (VariableKind::Text, "") if variable.default.is_some() => VariableValue::Text(String::new()),
        (_, "") => return None,
        // A text that is no number is no value of the kind, and the use case says so.
        (VariableKind::Integer { .. }, number) => {
            number.parse().map_or_else(|_| VariableValue::Text(number.to_owned()), VariableValue::Integer)
        }
        (VariableKind::Boolean, "true") => VariableValue::Boolean(true),
        (VariableKind::Boolean, "false") => VariableValue::Boolean(false),
        (_, trimmed) => VariableValue::Text(trimmed.to_owned()),
    };
    Some(value)
}

/// Returns the fields of the form, filled with what it has, and with the defaults otherwise.
pub(super) fn inputs(template: &Template, form: &Form, faults: &FormFaults) -> Vec<Input> {
    let input = |variable: &TemplateVariable| {
        let field = field(variable.name.as_str());
        let label = variable.name.as_str().replace('_', " ");
        let (name, fault) = (field.clone(), faults.of(&field).to_owned());
        let input = match &variable.kind {
            VariableKind::Boolean => Input::choice(name, label, [("true", "Yes"), ("false", "No")]),
            VariableKind::Choice { values } => {
                let none = variable.default.is_none().then_some("");
                let offered = none.into_iter().chain(values.iter().map(String::as_str));
                Input::choice(name, label, offered.map(|value| (value, value)))
            }
            VariableKind::List => Input::area(name, label, 3),
            _ => Input::line(name, label),
        };
        let shown = match form.has(&field) {
            true => form.text(&field).to_owned(),
            false => variable.default.as_ref().map(text).unwrap_or_default(),
        };
        let one_a_line = if variable.kind == VariableKind::List { " One a line." } else { "" };
        let input = input.value(shown).fault(fault).help(format!("{}{one_a_line}", variable.description));
        if variable.default.is_none() { input.required() } else { input }
    };
    template.variables().iter().map(input).collect()
}

/// Returns the fields of the form that are not shown, to send them again.
pub(super) fn hidden(template: &Template, form: &Form) -> Vec<(String, String)> {
    let fields = template.variables().iter().map(|variable| field(variable.name.as_str()));
    fields
        .filter(|field| form.has(field))
        .map(|field| (field.clone(), form.text(&field).to_owned()))
        .collect()
}

fn text(value: &VariableValue) -> String {
    match value {
        VariableValue::Text(text) => text.clone(),
        VariableValue::Integer(number) => number.to_string(),
        VariableValue::Boolean(value) => value.to_string(),
        VariableValue::List(items) => items.join("\n"),
    }
}
