//! What the descriptions of all APIs share, in OpenAPI 3.1.
//!
//! Each handler declares what is specific to it, and its views and bodies declare their shape. [`Api::complete`] adds what
//! all operations have: keys and scopes, possible errors, headers, and examples.

mod access;
mod common;
mod examples;
mod finish;
mod problems;
mod reference;

use std::collections::BTreeSet;

use serde_json::Value;
use utoipa::openapi::{Components, Contact, Info, License, OpenApi, Server, Tag};

use crate::ProblemCode;

pub use common::header_parameter;
pub use examples::{Examples, of as examples_of};
pub use reference::{Description, Reference};

/// What is special to an API.
pub struct Api {
    /// The kinds of problems of this API, besides the general ones.
    pub codes: &'static [ProblemCode],
    /// The examples of bodies and responses.
    pub examples: &'static Examples,
    /// The path of the request in the examples of problems.
    pub instance: &'static str,
    /// The JSON pointer of the fault in the examples of problems.
    pub pointer: &'static str,
}

impl Api {
    /// Returns all kinds of problems that a response may contain.
    fn all_codes(&self) -> impl Iterator<Item = ProblemCode> {
        self.codes.iter().chain(ProblemCode::GENERAL).copied()
    }

    /// Adds to a document what all operations share, and removes the shared components that nothing refers to.
    pub fn complete(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        components.schemas.extend(problems::schemas(self));
        components.responses.extend(problems::responses(self));
        components.headers.extend(common::headers());
        components.parameters.extend(common::parameters());
        components.security_schemes.extend(common::security_schemes());
        finish::finish(document, self);
        while remove_unreferenced(document) {}
    }
}

/// Returns a document without operations.
#[must_use]
pub fn document(title: &str, version: &str, introduction: &str, tags: &[(&str, &str)]) -> OpenApi {
    let mut info = Info::new(title, version);
    info.description = Some(introduction.trim_end().to_owned());
    info.license = Some(License::builder().name("Apache-2.0").identifier(Some("Apache-2.0")).build());
    info.contact = Some(Contact::builder().name(Some(title)).build());
    let server =
        Server::builder().url("/").description(Some("The server that this document comes from.")).build();
    let tag = |(name, meaning): &(&str, &str)| Tag::builder().name(*name).description(Some(*meaning)).build();
    let tags = tags.iter().map(tag).collect::<Vec<_>>();
    OpenApi::builder().info(info).servers(Some([server])).tags(Some(tags)).build()
}

/// Removes the responses, headers and parameters that nothing refers to. Returns whether there were any.
fn remove_unreferenced(document: &mut OpenApi) -> bool {
    let mut referenced = BTreeSet::new();
    // Serialising maps with string keys and plain values cannot fail.
    find_references(&serde_json::to_value(&*document).unwrap_or_default(), &mut referenced);
    let Some(components) = &mut document.components else { return false };
    let is_kept = |kind: &str, name: &str| referenced.contains(&format!("#/components/{kind}/{name}"));
    let count = |components: &Components| {
        components.responses.len() + components.headers.len() + components.parameters.len()
    };
    let before = count(components);
    components.responses.retain(|name, _| is_kept("responses", name));
    components.headers.retain(|name, _| is_kept("headers", name));
    components.parameters.retain(|name, _| is_kept("parameters", name));
    count(components) < before
}

fn find_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(target) => drop(found.insert(target.to_owned())),
                    None => find_references(member, found),
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| find_references(element, found)),
        _ => {}
    }
}
