//! All templates: the shipped ones and those of a folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rdev_runner_domain::ports::TemplateCatalogue;
use rdev_runner_domain::{Rendering, Template, TemplateError, TemplateName, VariableValue};

use crate::source::Source;
use crate::{own, render, shipped};

/// The shipped templates and, optionally, those of a folder, which is read with each call. A template of the folder
/// takes the place of a shipped one of its name.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    folder: Option<PathBuf>,
}

impl Catalogue {
    /// Returns the shipped templates.
    #[must_use]
    pub const fn shipped() -> Self {
        Self { folder: None }
    }

    /// Adds the templates of a folder. Each has a folder of its name there.
    #[must_use]
    pub fn with_folder(self, folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    fn source(&self, name: &TemplateName) -> Result<Source, TemplateError> {
        if let Some(folder) = &self.folder
            && let Some(own) = own::read(folder, name)?
        {
            return Ok(own);
        }
        shipped::read(name).unwrap_or(Err(TemplateError::NotFound))
    }
}

impl TemplateCatalogue for Catalogue {
    fn list(&self) -> Result<Vec<Template>, TemplateError> {
        let mut names = self.folder.as_deref().map_or(Ok(Vec::new()), own::names)?;
        names.extend(shipped::names());
        names.sort();
        names.dedup();
        // One invalid template hides no other. `get` says what is wrong with it.
        Ok(names.iter().filter_map(|name| self.get(name).ok()).collect())
    }

    fn get(&self, name: &TemplateName) -> Result<Template, TemplateError> {
        self.source(name).map(|source| source.template)
    }

    fn render(
        &self,
        name: &TemplateName,
        values: BTreeMap<String, VariableValue>,
    ) -> Result<Rendering, TemplateError> {
        let source = self.source(name)?;
        let values = source.template.values(values).map_err(TemplateError::Variables)?;
        render::render(&source, &values)
    }
}
