//! A template as the API shows it, and what it makes.

use rdev_http::Text;
use rdev_runner_app::RenderedTemplate;
use rdev_runner_domain::{
    FilePath, FileState, ProjectName, Template, TemplateName, TemplateVariable, VariableKind, VariableName,
    VariableValue,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema_types as types;

/// A template of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = Template)]
pub(crate) struct TemplateView<'a> {
    #[schema(value_type = types::TemplateName)]
    name: Text<&'a TemplateName>,
    description: &'a str,
    variables: Vec<VariableView<'a>>,
}

/// A variable of a template.
#[derive(Serialize, ToSchema)]
#[schema(as = TemplateVariable)]
struct VariableView<'a> {
    #[schema(value_type = types::VariableName)]
    name: Text<&'a VariableName>,
    description: &'a str,
    #[schema(value_type = types::VariableType)]
    r#type: &'static str,
    /// True if it has no default.
    required: bool,
    /// The value if none is given; `null` if one is required.
    #[schema(value_type = types::VariableValue, required)]
    default: Option<ValueView<'a>>,
    /// The lowest value of an `integer`; `null` for other types.
    #[schema(required)]
    min: Option<i64>,
    /// The highest value of an `integer`; `null` for other types.
    #[schema(required)]
    max: Option<i64>,
    /// The values of a `choice`; empty for other types.
    values: &'a [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueView<'a> {
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    List(&'a [String]),
}

/// What a template makes.
#[derive(Serialize, ToSchema)]
#[schema(as = RenderedTemplate)]
pub(crate) struct RenderedTemplateView<'a> {
    #[schema(value_type = types::TemplateName)]
    template: Text<&'a TemplateName>,
    /// In the order of their paths.
    files: Vec<RenderedFileView<'a>>,
    /// What is allowed and is most likely a mistake.
    warnings: &'a [String],
}

/// A file that a template makes.
#[derive(Serialize, ToSchema)]
#[schema(as = RenderedFile)]
struct RenderedFileView<'a> {
    #[schema(value_type = types::FilePath)]
    path: Text<&'a FilePath>,
    /// What the workspace has at the path; `null` if no project was given.
    #[schema(value_type = Option<types::FileState>, required)]
    state: Option<&'static str>,
    content: &'a str,
}

/// The files of a template in a workspace.
#[derive(Serialize, ToSchema)]
#[schema(as = AppliedTemplate)]
pub(crate) struct AppliedTemplateView<'a> {
    #[schema(value_type = types::TemplateName)]
    template: Text<&'a TemplateName>,
    #[schema(value_type = types::ProjectName)]
    project: Text<&'a ProjectName>,
    /// In the order of their paths.
    files: Vec<AppliedFileView<'a>>,
    /// What is allowed and is most likely a mistake.
    warnings: &'a [String],
}

/// A file of a template in a workspace.
#[derive(Serialize, ToSchema)]
#[schema(as = AppliedFile)]
struct AppliedFileView<'a> {
    #[schema(value_type = types::FilePath)]
    path: Text<&'a FilePath>,
    /// What the workspace had at the path before. A `changed` file was replaced.
    #[schema(value_type = types::FileState)]
    state: &'static str,
}

impl<'a> From<&'a Template> for TemplateView<'a> {
    fn from(template: &'a Template) -> Self {
        Self {
            name: Text(template.name()),
            description: template.description(),
            variables: template.variables().iter().map(VariableView::from).collect(),
        }
    }
}

impl<'a> From<&'a TemplateVariable> for VariableView<'a> {
    fn from(variable: &'a TemplateVariable) -> Self {
        let (min, max) = match variable.kind {
            VariableKind::Integer { min, max } => (Some(min), Some(max)),
            _ => (None, None),
        };
        let values = match &variable.kind {
            VariableKind::Choice { values } => values.as_slice(),
            _ => &[],
        };
        Self {
            name: Text(&variable.name),
            description: &variable.description,
            r#type: variable.kind.as_str(),
            required: variable.default.is_none(),
            default: variable.default.as_ref().map(ValueView::from),
            min,
            max,
            values,
        }
    }
}

impl<'a> From<&'a VariableValue> for ValueView<'a> {
    fn from(value: &'a VariableValue) -> Self {
        match value {
            VariableValue::Text(text) => Self::Text(text),
            VariableValue::Integer(number) => Self::Integer(*number),
            VariableValue::Boolean(value) => Self::Boolean(*value),
            VariableValue::List(items) => Self::List(items),
        }
    }
}

impl<'a> RenderedTemplateView<'a> {
    pub(crate) fn new(template: &'a TemplateName, rendered: &'a RenderedTemplate) -> Self {
        let state = |at: usize| rendered.states.as_ref().and_then(|states| states.get(at).copied());
        let files = rendered.rendering.files.iter().enumerate();
        let files = files.map(|(at, file)| RenderedFileView {
            path: Text(&file.path),
            state: state(at).map(FileState::as_str),
            content: &file.content,
        });
        Self { template: Text(template), files: files.collect(), warnings: &rendered.rendering.warnings }
    }
}

impl<'a> AppliedTemplateView<'a> {
    pub(crate) fn new(
        template: &'a TemplateName,
        project: &'a ProjectName,
        applied: &'a RenderedTemplate,
    ) -> Self {
        let states = applied.states.iter().flatten();
        let files = applied.rendering.files.iter().zip(states);
        let files =
            files.map(|(file, state)| AppliedFileView { path: Text(&file.path), state: state.as_str() });
        Self {
            template: Text(template),
            project: Text(project),
            files: files.collect(),
            warnings: &applied.rendering.warnings,
        }
    }
}
