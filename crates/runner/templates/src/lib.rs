//! Templates of projects: [`Catalogue`] is the port
//! [`TemplateCatalogue`](rdev_runner_domain::ports::TemplateCatalogue).
//!
//! # The folder of a template
//!
//! | path | content |
//! |---|---|
//! | `template.toml` | the manifest: `description`, and `[[variables]]` with `name`, `description`, `type` and `default` |
//! | `files/` | the files of the project; a name that ends in `.jinja` is rendered and loses the ending, all others are copied |
//!
//! Names of files and folders are rendered too. The language is a part of minijinja's: output, `if`, `for`, comparisons,
//! and the filters `json`, `lower`, `snake_case` and `upper`.

mod catalogue;
mod fault;
mod filters;
mod language;
mod limits;
mod manifest;
mod own;
mod pipeline;
mod reason;
mod render;
mod shipped;
mod source;

pub use catalogue::Catalogue;
