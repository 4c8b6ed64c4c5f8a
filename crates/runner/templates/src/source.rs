//! The files of a template, as they are before it is rendered.

use rdev_runner_domain::{Template, TemplateError, TemplateName};

use crate::fault::{fault, invalid};
use crate::limits::{MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};
use crate::manifest;

/// The ending of the files that are rendered; the others are copied.
pub(crate) const RENDERED: &str = ".jinja";

/// A template with its files.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) template: Template,
    /// In the order of their paths.
    pub(crate) files: Vec<SourceFile>,
}

/// A file of a template.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// The path within the folder `files` of the template, the names separated by `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Checks the manifest and the sizes of a template.
    pub(crate) fn new(
        name: &TemplateName,
        manifest: &str,
        mut files: Vec<SourceFile>,
    ) -> Result<Self, TemplateError> {
        let template = manifest::read(name, manifest).map_err(|fault| TemplateError::Invalid(vec![fault]))?;
        if !(1..=MAX_FILES).contains(&files.len()) {
            return Err(invalid("files", format_args!("must have 1 to {MAX_FILES} files")));
        }
        if let Some(long) = files.iter().find(|file| file.text.len() > MAX_FILE_BYTES) {
            let reason = format!("has more than {MAX_FILE_BYTES} bytes");
            return Err(TemplateError::Invalid(vec![fault(&long.path, reason)]));
        }
        if files.iter().map(|file| file.text.len()).sum::<usize>() > MAX_TOTAL_BYTES {
            return Err(invalid("files", format_args!("have more than {MAX_TOTAL_BYTES} bytes in all")));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { template, files })
    }
}
