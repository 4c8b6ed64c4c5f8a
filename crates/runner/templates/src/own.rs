//! Templates from a folder. Each folder in it that has a manifest is one.

use std::path::Path;

use rdev_runner_domain::{FileSystemError, MAX_PATH_SEGMENTS, TemplateError, TemplateName, is_file_name};
use rdev_runner_files::Folder;
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::fault::invalid;
use crate::limits::{MAX_FILE_BYTES, MAX_FILES, MAX_MANIFEST_BYTES, MAX_TEMPLATES, MAX_TOTAL_BYTES};
use crate::manifest::MANIFEST;
use crate::source::{Source, SourceFile};

/// The folder of a template that has the files to render or to copy.
const FILES: &str = "files";

/// Returns the names of the templates in a folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<TemplateName>, TemplateError> {
    let failed = |error: Errno| failed(folder, &error);
    let opened = Folder::open(folder).map_err(failed)?;
    let names = opened.names(MAX_TEMPLATES).map_err(failed)?;
    if names.len() > MAX_TEMPLATES {
        return Err(invalid(
            &folder.display().to_string(),
            format_args!("has more than {MAX_TEMPLATES} entries"),
        ));
    }
    let names = names.iter().filter_map(|name| name.to_str()?.parse().ok());
    let mut found: Vec<TemplateName> = names.filter(|name| has_manifest(&opened, name)).collect();
    found.sort();
    Ok(found)
}

fn has_manifest(folder: &Folder, name: &TemplateName) -> bool {
    let template = folder.folder(name.as_str());
    template.is_ok_and(|template| matches!(template.entry(MANIFEST), Ok(Some(_))))
}

/// Reads a template; `None` if the folder has none of that name.
pub(crate) fn read(folder: &Path, name: &TemplateName) -> Result<Option<Source>, TemplateError> {
    let opened = Folder::open(folder).map_err(|error| failed(folder, &error))?;
    let template = match opened.folder(name.as_str()) {
        Ok(template) => template,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(failed(&folder.join(name.as_str()), &error)),
    };
    if matches!(template.entry(MANIFEST), Ok(None)) {
        return Ok(None);
    }
    let manifest = text(&template, MANIFEST, MANIFEST, MAX_MANIFEST_BYTES)?;
    let files = template.folder(FILES).map_err(|error| invalid(FILES, error))?;
    let mut walk = Walk { files: Vec::new(), bytes: 0 };
    walk.enter(&files, "", 0)?;
    Source::new(name, &manifest, walk.files).map(Some)
}

struct Walk {
    files: Vec<SourceFile>,
    bytes: usize,
}

impl Walk {
    fn enter(&mut self, folder: &Folder, prefix: &str, depth: usize) -> Result<(), TemplateError> {
        let shown = if prefix.is_empty() { FILES } else { prefix };
        if depth >= MAX_PATH_SEGMENTS {
            return Err(invalid(shown, format_args!("is nested deeper than {MAX_PATH_SEGMENTS} folders")));
        }
        let names = folder.names(MAX_FILES).map_err(|error| invalid(shown, error))?;
        if names.len() > MAX_FILES {
            return Err(invalid(shown, format_args!("has more than {MAX_FILES} entries")));
        }
        for name in names {
            let Some(name) = name.to_str().filter(|name| is_file_name(name)) else {
                return Err(invalid(shown, format_args!("has a file whose name {name:?} cannot be written")));
            };
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let entry = folder.entry(name).map_err(|error| invalid(&path, error))?;
            match entry.map(|entry| entry.kind) {
                Some(FileType::Directory) => {
                    let inner = folder.folder(name).map_err(|error| invalid(&path, error))?;
                    self.enter(&inner, &path, depth + 1)?;
                }
                Some(FileType::RegularFile) => self.add(folder, name, path)?,
                Some(FileType::Symlink) => {
                    return Err(invalid(&path, "is a symbolic link: put the file itself in its place"));
                }
                _ => return Err(invalid(&path, "is neither a file nor a folder")),
            }
        }
        Ok(())
    }

    fn add(&mut self, folder: &Folder, name: &str, path: String) -> Result<(), TemplateError> {
        let text = text(folder, name, &path, MAX_FILE_BYTES as u64)?;
        self.bytes += text.len();
        if self.bytes > MAX_TOTAL_BYTES {
            return Err(invalid(FILES, format_args!("have more than {MAX_TOTAL_BYTES} bytes in all")));
        }
        if self.files.len() == MAX_FILES {
            return Err(invalid(FILES, format_args!("has more than {MAX_FILES} files")));
        }
        self.files.push(SourceFile { path, text });
        Ok(())
    }
}

fn text(folder: &Folder, name: &str, path: &str, max_bytes: u64) -> Result<String, TemplateError> {
    let content = folder.read(name, max_bytes).map_err(|error| invalid(path, error))?;
    let content =
        content.ok_or_else(|| invalid(path, format_args!("must be a file of at most {max_bytes} bytes")))?;
    String::from_utf8(content).map_err(|_| invalid(path, "must be text in UTF-8"))
}

fn failed(path: &Path, error: &Errno) -> TemplateError {
    TemplateError::FileSystem(FileSystemError { path: path.display().to_string(), cause: error.to_string() })
}
