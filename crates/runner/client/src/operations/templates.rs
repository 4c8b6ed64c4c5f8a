//! Templates.

use http::Method;
use rdev_client::{Call, Error, Operation, Page, Reply};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{AppliedTemplate, Client, RenderedTemplate, Template};

const LIST: Operation = Operation { id: "listTemplates", method: Method::GET, path: "/templates" };
const GET: Operation = Operation { id: "getTemplate", method: Method::GET, path: "/templates/{name}" };
const RENDER: Operation =
    Operation { id: "renderTemplate", method: Method::POST, path: "/templates/{name}/render" };
const APPLY: Operation =
    Operation { id: "applyTemplate", method: Method::POST, path: "/projects/{name}/apply-template" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&LIST, &GET, &RENDER, &APPLY];

/// What a template is rendered with.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RenderTemplate {
    /// The values of variables by their names: texts, whole numbers, booleans, and lists of texts.
    pub variables: Map<String, Value>,
    /// The project whose workspace the files are compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// A template to write into the workspace of a project.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ApplyTemplate {
    /// The name of the template.
    pub template: String,
    /// The values of variables by their names, as in [`RenderTemplate`].
    pub variables: Map<String, Value>,
    /// Whether files with other content are replaced.
    pub overwrite: bool,
}

impl Client {
    /// Lists the templates in the order of their names. There is one page.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list_templates(&self) -> Result<Reply<Page<Template>>, Error> {
        self.0.plain(&LIST, &[]).await
    }

    /// Returns a template.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn get_template(&self, name: &str) -> Result<Reply<Template>, Error> {
        self.0.plain(&GET, &[name]).await
    }

    /// Renders a template. Writes nothing.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn render_template(
        &self,
        name: &str,
        request: &RenderTemplate,
    ) -> Result<Reply<RenderedTemplate>, Error> {
        self.0.send(Call::new(&RENDER, &[name])?.json(request)?).await
    }

    /// Writes all files of a template into the workspace of a project, or none.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn apply_template(
        &self,
        project: &str,
        request: &ApplyTemplate,
    ) -> Result<Reply<AppliedTemplate>, Error> {
        self.0.send(Call::new(&APPLY, &[project])?.json(request)?).await
    }
}
