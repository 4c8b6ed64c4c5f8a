//! Templates, and what they make.

use rdev_client::Reply;
use serde::Deserialize;
use serde_json::Value;

/// A template of a project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Template {
    /// The name.
    pub name: String,
    /// What it makes.
    pub description: String,
    /// Its variables.
    pub variables: Vec<Reply<TemplateVariable>>,
}

/// A variable of a template.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct TemplateVariable {
    /// The name.
    pub name: String,
    /// What the value is for.
    pub description: String,
    /// `slug`, `text`, `url`, `integer`, `boolean`, `choice` or `list`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it has no default.
    pub required: bool,
    /// The value if none is given.
    pub default: Option<Value>,
    /// The lowest value of an integer.
    pub min: Option<i64>,
    /// The highest value of an integer.
    pub max: Option<i64>,
    /// The values of a choice.
    pub values: Vec<String>,
}

/// What a template makes.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RenderedTemplate {
    /// The name of the template.
    pub template: String,
    /// The files, in the order of their paths.
    pub files: Vec<Reply<RenderedFile>>,
    /// What is most likely a mistake.
    pub warnings: Vec<String>,
}

/// A file that a template makes.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RenderedFile {
    /// The path within the workspace.
    pub path: String,
    /// What the workspace has there: `new`, `unchanged` or `changed`; `None` if it was not compared.
    pub state: Option<String>,
    /// The content.
    pub content: String,
}

/// The files of a template in a workspace.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AppliedTemplate {
    /// The name of the template.
    pub template: String,
    /// The name of the project.
    pub project: String,
    /// The files, in the order of their paths.
    pub files: Vec<Reply<AppliedFile>>,
    /// What is most likely a mistake.
    pub warnings: Vec<String>,
}

/// A file of a template in a workspace.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct AppliedFile {
    /// The path within the workspace.
    pub path: String,
    /// What the workspace had there before: `new`, `unchanged` or `changed`.
    pub state: String,
}
