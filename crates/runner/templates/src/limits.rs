//! The bounds of templates.

/// The number of files that a template may have.
pub(crate) const MAX_FILES: usize = 256;

/// The number of folders that its files may be in.
pub(crate) const MAX_FOLDERS: usize = 64;

/// The size of a manifest.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 * 1024;

/// The size of a file of a template, and of a rendered file.
pub(crate) const MAX_FILE_BYTES: usize = 256 * 1024;

/// The size of all files of a template, and of all rendered files.
pub(crate) const MAX_TOTAL_BYTES: usize = 2 * 1024 * 1024;

/// The number of templates in a folder.
pub(crate) const MAX_TEMPLATES: usize = 256;

/// The number of instructions that a file may take. None of them takes longer than the comparison of two values.
pub(crate) const MAX_INSTRUCTIONS: u64 = 200_000;

/// The number of tokens between two delimiters. Parsers recurse into what has many.
pub(crate) const MAX_TOKENS: usize = 128;

/// The number of `{% … %}` in a file. An `elif` is nested in the one before it.
pub(crate) const MAX_BLOCKS: usize = 256;
