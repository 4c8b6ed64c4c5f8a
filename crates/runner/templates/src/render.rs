//! Rendering of a template.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};
use rdev_runner_domain::{
    FilePath, RenderedFile, Rendering, TemplateError, TemplateFault, VariableValue, VariableValues,
    is_file_name,
};

use crate::fault::{fault, invalid};
use crate::limits::{MAX_FILE_BYTES, MAX_FOLDERS, MAX_INSTRUCTIONS, MAX_TOTAL_BYTES};
use crate::reason::reason;
use crate::source::{RENDERED, Source, SourceFile};
use crate::{filters, language, pipeline};

/// Renders all files of a template. Reports the faults of all files at once.
pub(crate) fn render(source: &Source, values: &VariableValues) -> Result<Rendering, TemplateError> {
    let renderer = Renderer::new(values);
    let mut faults = Vec::new();
    let mut files: BTreeMap<FilePath, String> = BTreeMap::new();
    let mut total = 0;
    for file in &source.files {
        match renderer.file(file) {
            Ok((path, content)) => {
                total += content.len();
                if total > MAX_TOTAL_BYTES {
                    let reason =
                        format_args!("the rendered files have more than {MAX_TOTAL_BYTES} bytes in all");
                    return Err(invalid(&file.path, reason));
                }
                if files.insert(path.clone(), content).is_some() {
                    faults.push(fault(&file.path, format_args!("is rendered to {path}, like another file")));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    faults.extend(check_tree(&files));
    let mut warnings = Vec::new();
    for (path, content) in files.iter().filter(|(path, _)| pipeline::is_pipeline(path.as_str())) {
        match pipeline::check(content) {
            Ok(found) => warnings.extend(found.into_iter().map(|warning| format!("{path}: {warning}"))),
            Err(found) => faults.extend(found.into_iter().map(|reason| fault(path.as_str(), reason))),
        }
    }
    if !faults.is_empty() {
        return Err(TemplateError::Invalid(faults));
    }
    let files = files.into_iter().map(|(path, content)| RenderedFile { path, content }).collect();
    Ok(Rendering { files, warnings })
}

/// Returns a fault for each file that is also a folder of another one, and for too many folders.
fn check_tree(files: &BTreeMap<FilePath, String>) -> Vec<TemplateFault> {
    let mut folders = BTreeSet::new();
    for path in files.keys() {
        let (names, _) = path.split();
        folders.extend((1..=names.len()).map(|depth| names[..depth].join("/")));
    }
    let mut faults: Vec<_> = files
        .keys()
        .filter(|path| folders.contains(path.as_str()))
        .map(|path| fault(path.as_str(), "is a file and a folder"))
        .collect();
    if folders.len() > MAX_FOLDERS {
        faults.push(fault("files", format_args!("are in more than {MAX_FOLDERS} folders")));
    }
    faults
}

struct Renderer<'a> {
    environment: Environment<'a>,
    names: BTreeSet<&'a str>,
    values: Value,
}

impl<'a> Renderer<'a> {
    fn new(values: &'a VariableValues) -> Self {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(MAX_INSTRUCTIONS));
        environment.set_syntax(language::syntax());
        filters::add_to(&mut environment);
        let names = values.iter().map(|(name, _)| name.as_str()).collect();
        let values = values.iter().map(|(name, value)| (name.to_string(), to_value(value)));
        Self { environment, names, values: Value::from(values.collect::<BTreeMap<_, _>>()) }
    }

    fn file(&self, file: &'a SourceFile) -> Result<(FilePath, String), TemplateFault> {
        let target = file.path.strip_suffix(RENDERED).unwrap_or(&file.path);
        let path = self.path(target).map_err(|fault| TemplateFault { file: file.path.clone(), ..fault })?;
        let content = if file.path.ends_with(RENDERED) {
            self.text(&file.path, &file.text)?
        } else {
            file.text.clone()
        };
        Ok((path, content))
    }

    /// Renders each name of a path by itself, so that no value adds a folder.
    fn path(&self, source: &'a str) -> Result<FilePath, TemplateFault> {
        let mut names = Vec::new();
        for name in source.split('/') {
            let name = self.text("the path", name)?;
            if !is_file_name(&name) {
                let reason = format!("is rendered to the name {name:?}, which no file can have here");
                return Err(fault(source, reason));
            }
            names.push(name);
        }
        names.join("/").parse().map_err(|error| fault(source, format_args!("the path {error}")))
    }

    fn text(&self, file: &str, source: &'a str) -> Result<String, TemplateFault> {
        language::check(file, source, &self.names)?;
        let failed = |error: &minijinja::Error| TemplateFault {
            file: file.to_owned(),
            line: error.line(),
            reason: reason(error),
        };
        let template = self.environment.template_from_str(source).map_err(|error| failed(&error))?;
        let mut output = Output::default();
        match template.render_captured_to(self.values.clone(), &mut output) {
            Ok(_) => {}
            Err(_) if output.is_full => {
                return Err(fault(file, format_args!("is rendered to more than {MAX_FILE_BYTES} bytes")));
            }
            Err(error) => return Err(failed(&error)),
        }
        // The sources and the values are text.
        String::from_utf8(output.bytes).map_err(|error| fault(file, error))
    }
}

fn to_value(value: &VariableValue) -> Value {
    match value {
        VariableValue::Text(text) => Value::from(text.as_str()),
        VariableValue::Integer(number) => Value::from(*number),
        VariableValue::Boolean(value) => Value::from(*value),
        VariableValue::List(items) => items.iter().map(|item| Value::from(item.as_str())).collect(),
    }
}

/// The bytes that were rendered, up to a limit.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_FILE_BYTES {
            self.is_full = true;
            return Err(io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
