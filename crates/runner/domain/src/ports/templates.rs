use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{FileState, Rendering, Template, TemplateError, TemplateName, VariableValue, Workspace};

/// The templates of projects. All methods block: they read files and compute.
///
/// The numbered requirements name tests of `rdev-runner-templates`.
pub trait TemplateCatalogue: Send + Sync + 'static {
    /// Returns all templates that can be read, in the order of their names.
    ///
    /// # Errors
    ///
    /// Fails if the folder of templates cannot be read.
    fn list(&self) -> Result<Vec<Template>, TemplateError>;

    /// Returns a template.
    ///
    /// # Errors
    ///
    /// Fails if it does not exist or is invalid.
    fn get(&self, name: &TemplateName) -> Result<Template, TemplateError>;

    /// Renders a template with these values.
    ///
    /// 1. MUST refuse undefined variables and values of another kind. (`an_undefined_variable_is_an_error`)
    /// 2. MUST read no file outside of the template. (`a_template_reads_nothing_but_its_files`)
    /// 3. MUST end within bounded time and memory, whatever the template is. (`bombs_are_refused`)
    /// 4. MUST refuse a Woodpecker pipeline that Woodpecker would refuse. (`an_invalid_pipeline_is_refused`)
    ///
    /// # Errors
    ///
    /// Fails if the template does not exist, or if it or the values are invalid.
    fn render(
        &self,
        name: &TemplateName,
        values: BTreeMap<String, VariableValue>,
    ) -> Result<Rendering, TemplateError>;
}

/// The files of workspaces, as templates need them.
///
/// The numbered requirements name tests of `rdev-runner-files`.
#[async_trait]
pub trait WorkspaceFiles: Send + Sync + 'static {
    /// Returns what the workspace has at the path of each file, in their order.
    ///
    /// # Errors
    ///
    /// Fails if something other than a file is in the way, or if the workspace cannot be read.
    async fn states(&self, workspace: &Workspace, files: &Rendering)
    -> Result<Vec<FileState>, TemplateError>;

    /// Writes the files that the workspace does not have yet, and, if `overwrites`, those that have other content. Returns
    /// what the workspace had at the path of each, in their order. Runs to its end even if the future is dropped.
    ///
    /// 1. MUST write all files or none. (`a_failure_leaves_the_workspace_as_it_was`)
    /// 2. MUST NOT write over a file with other content unless `overwrites`. (`a_changed_file_is_never_overwritten_unasked`)
    /// 3. MUST NOT write outside of the workspace, whatever happens in it at the same time.
    ///    (`a_race_of_symbolic_links_never_leaves_the_workspace`)
    ///
    /// # Errors
    ///
    /// Fails if a file has other content, something other than a file is in the way, or the workspace cannot be written.
    async fn write(
        &self,
        workspace: &Workspace,
        files: &Rendering,
        overwrites: bool,
    ) -> Result<Vec<FileState>, TemplateError>;
}
