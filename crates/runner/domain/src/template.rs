//! Templates of projects, and the values of their variables.

use std::collections::BTreeMap;

use crate::VariableKind;
use crate::macros::checked_text;

/// The number of variables that a template may have.
pub const MAX_VARIABLES: usize = 64;

/// The number of characters that a description may have.
const MAX_DESCRIPTION: usize = 1_024;

checked_text!(
    /// The name of a template: 1 to 64 lower-case letters, digits and hyphens, the first of them a letter.
    TemplateName,
    TemplateNameError,
    "must be 1 to 64 lower-case letters, digits and hyphens, the first of them a letter",
    |text| is_lower_case_name(text, b'-')
);

checked_text!(
    /// The name of a variable of a template: 1 to 64 lower-case letters, digits and underscores, the first of
    /// them a letter.
    VariableName,
    VariableNameError,
    "must be 1 to 64 lower-case letters, digits and underscores, the first of them a letter",
    |text| is_lower_case_name(text, b'_')
);

fn is_lower_case_name(text: &str, separator: u8) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9') || byte == separator)
}

/// A template of a project: what a caller has to know to render it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    name: TemplateName,
    description: String,
    variables: Vec<TemplateVariable>,
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVariable {
    /// The name.
    pub name: VariableName,
    /// What the value is for.
    pub description: String,
    /// The values that it may have.
    pub kind: VariableKind,
    /// The value if none is given; without one, a value is required.
    pub default: Option<VariableValue>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// A list of texts.
    List(Vec<String>),
}

/// A valid value for each variable of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableValues(BTreeMap<VariableName, VariableValue>);

/// The reason why a template is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateDefinitionError {
    /// The template has too many variables.
    #[error("has more than {MAX_VARIABLES} variables")]
    TooManyVariables,
    /// A description is empty, too long, or has control characters.
    #[error("{0}: must be 1 to {MAX_DESCRIPTION} characters without line breaks and control characters")]
    Description(String),
    /// Two variables have one name.
    #[error("variable {0}: is defined twice")]
    Duplicate(VariableName),
    /// A kind has no value, or a default is none of its values.
    #[error("variable {name}: {reason}")]
    Variable {
        /// The variable.
        name: VariableName,
        /// What is wrong with it.
        reason: String,
    },
}

/// A fault of the value of a variable in a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct VariableFault {
    /// The name of the variable as the request has it.
    pub name: String,
    /// What to change.
    pub reason: String,
}

impl Template {
    /// Checks the definition of a template.
    ///
    /// # Errors
    ///
    /// Fails at the first fault.
    pub fn new(
        name: TemplateName,
        description: String,
        variables: Vec<TemplateVariable>,
    ) -> Result<Self, TemplateDefinitionError> {
        check_description("description", &description)?;
        if variables.len() > MAX_VARIABLES {
            return Err(TemplateDefinitionError::TooManyVariables);
        }
        for (at, variable) in variables.iter().enumerate() {
            if variables[..at].iter().any(|earlier| earlier.name == variable.name) {
                return Err(TemplateDefinitionError::Duplicate(variable.name.clone()));
            }
            check_description(&format!("variable {}: description", variable.name), &variable.description)?;
            let fault = |reason| TemplateDefinitionError::Variable { name: variable.name.clone(), reason };
            variable.kind.check_definition().map_err(|reason| fault(reason.to_owned()))?;
            if let Some(default) = &variable.default {
                variable.kind.check(default).map_err(|reason| fault(format!("default {reason}")))?;
            }
        }
        Ok(Self { name, description, variables })
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &TemplateName {
        &self.name
    }

    /// Returns what the template makes.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns the variables, in the order of the template.
    #[must_use]
    pub fn variables(&self) -> &[TemplateVariable] {
        &self.variables
    }

    /// Returns a value for each variable: the given one, else the default.
    ///
    /// # Errors
    ///
    /// Returns every fault: unknown variables, missing values, and values of another kind.
    pub fn values(
        &self,
        mut given: BTreeMap<String, VariableValue>,
    ) -> Result<VariableValues, Vec<VariableFault>> {
        let mut values = BTreeMap::new();
        let mut faults = Vec::new();
        for TemplateVariable { name, kind, default, .. } in &self.variables {
            match (given.remove(name.as_str()), default) {
                (Some(value), _) => match kind.check(&value) {
                    Ok(()) => drop(values.insert(name.clone(), value)),
                    Err(reason) => faults.push(VariableFault { name: name.to_string(), reason }),
                },
                (None, Some(default)) => drop(values.insert(name.clone(), default.clone())),
                (None, None) => {
                    faults.push(VariableFault { name: name.to_string(), reason: "is required".to_owned() });
                }
            }
        }
        let unknown = given.into_keys().map(|name| {
            let reason = format!("is no variable of the template {}", self.name);
            VariableFault { name, reason }
        });
        faults.extend(unknown);
        if faults.is_empty() { Ok(VariableValues(values)) } else { Err(faults) }
    }
}

impl VariableValues {
    /// Returns the names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&VariableName, &VariableValue)> {
        self.0.iter()
    }
}

fn check_description(what: &str, text: &str) -> Result<(), TemplateDefinitionError> {
    let is_valid =
        (1..=MAX_DESCRIPTION).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_valid { Ok(()) } else { Err(TemplateDefinitionError::Description(what.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, kind: VariableKind, default: Option<VariableValue>) -> TemplateVariable {
        TemplateVariable { name: name.parse().unwrap(), description: "A value.".to_owned(), kind, default }
    }

    fn template(variables: Vec<TemplateVariable>) -> Result<Template, TemplateDefinitionError> {
        Template::new("service".parse().unwrap(), "A service.".to_owned(), variables)
    }

    fn text(text: &str) -> VariableValue {
        VariableValue::Text(text.to_owned())
    }

    #[test]
    fn a_given_value_precedes_the_default() {
        let port = VariableKind::Integer { min: 1, max: 65_535 };
        let template = template(vec![
            variable("name", VariableKind::Slug, None),
            variable("port", port, Some(VariableValue::Integer(8080))),
        ])
        .unwrap();
        let given = BTreeMap::from([("name".to_owned(), text("billing"))]);
        let values = template.values(given.clone()).unwrap();
        let found: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        assert_eq!(found, [("name", text("billing")), ("port", VariableValue::Integer(8080))]);

        let given = [("port".to_owned(), VariableValue::Integer(1))].into_iter().chain(given).collect();
        assert!(template.values(given).unwrap().iter().any(|(_, value)| *value == VariableValue::Integer(1)));
    }

    #[test]
    fn every_fault_of_the_values_is_reported() {
        let port = VariableKind::Integer { min: 1, max: 65_535 };
        let template =
            template(vec![variable("name", VariableKind::Slug, None), variable("port", port, None)]).unwrap();
        let given = BTreeMap::from([
            ("port".to_owned(), VariableValue::Integer(0)),
            ("../x".to_owned(), VariableValue::Boolean(true)),
        ]);
        let faults = template.values(given).unwrap_err();
        let shown: Vec<_> = faults.iter().map(|fault| (&*fault.name, &*fault.reason)).collect();
        assert_eq!(
            shown,
            [
                ("name", "is required"),
                ("port", "must be a whole number from 1 to 65535"),
                ("../x", "is no variable of the template service"),
            ]
        );
    }

    #[test]
    fn a_template_whose_defaults_are_no_values_is_refused() {
        for (variables, expected) in [
            (
                vec![variable("name", VariableKind::Slug, Some(text("A b")))],
                "variable name: default must be 1 to 64 lower-case letters, digits and hyphens, the first of them a \
                 letter, the last no hyphen",
            ),
            (
                vec![variable("a", VariableKind::Boolean, None), variable("a", VariableKind::Slug, None)],
                "variable a: is defined twice",
            ),
            (
                vec![variable("a", VariableKind::Choice { values: Vec::new() }, None)],
                "variable a: must have 1 to 64 values of 1 to 256 characters each, without line breaks and control \
                 characters",
            ),
        ] {
            assert_eq!(template(variables).unwrap_err().to_string(), expected);
        }
        let many = (0..=MAX_VARIABLES).map(|n| variable(&format!("v{n}"), VariableKind::Boolean, None));
        assert_eq!(template(many.collect()), Err(TemplateDefinitionError::TooManyVariables));
    }
}
