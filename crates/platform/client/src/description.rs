//! Compares a client with the description of its API, in both directions. For the tests of clients.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use http::Method;
use serde::de::value::Error as Stop;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};
use serde_json::{Value, json};

use crate::{Operation, Query, Reply};

/// An OpenAPI document.
#[derive(Debug)]
pub struct ApiDescription(Value);

impl ApiDescription {
    /// Parses a document.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// Fails unless the document has these operations and no others but those with the ids `ignored`.
    pub fn has_exactly(&self, operations: &[&[&Operation]], ignored: &[&str]) {
        let ours: BTreeSet<_> = operations
            .iter()
            .copied()
            .flatten()
            .map(|operation| {
                (operation.id.to_owned(), operation.method.to_string(), operation.path.to_owned())
            })
            .collect();
        let mut theirs = self.operations();
        theirs.retain(|(id, ..)| !ignored.contains(&id.as_str()));
        assert_eq!(ours, theirs);
    }

    /// Returns all operations, as (id, method, path).
    fn operations(&self) -> BTreeSet<(String, String, String)> {
        let of_path = |(path, methods): (&String, &Value)| {
            let path = path.clone();
            let methods = methods.as_object().unwrap().clone();
            methods.into_iter().filter_map(move |(method, operation)| {
                let id = operation["operationId"].as_str()?.to_owned();
                Some((id, method.to_uppercase(), path.clone()))
            })
        };
        self.0["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
    }

    /// Fails unless `T` reads exactly the members of a schema.
    #[track_caller]
    pub fn reads<T: DeserializeOwned>(&self, schema: &str) {
        let mut ours = BTreeSet::new();
        let _ = T::deserialize(Members(&mut ours));
        assert!(!ours.is_empty(), "{schema}");
        self.same_members(schema, &ours);
    }

    /// Fails unless a body has exactly the members of a schema.
    #[track_caller]
    pub fn writes(&self, schema: &str, body: &impl Serialize) {
        let body = serde_json::to_value(body).unwrap();
        self.same_members(schema, &body.as_object().unwrap().keys().cloned().collect());
    }

    #[track_caller]
    fn same_members(&self, schema: &str, ours: &BTreeSet<String>) {
        let theirs = self.members(&json!({"$ref": format!("#/components/schemas/{schema}")}));
        assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), [""; 0], "{schema} has no such members");
        assert_eq!(theirs.difference(ours).collect::<Vec<_>>(), [""; 0], "{schema} has more members");
    }

    /// Returns the names of a schema's members, and of those that it refers to.
    fn members(&self, schema: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        if let Some(reference) = schema["$ref"].as_str() {
            found.extend(self.members(self.0.pointer(&reference[1..]).unwrap()));
        }
        for parts in ["allOf", "oneOf"] {
            let parts = schema[parts].as_array().into_iter().flatten();
            found.extend(parts.flat_map(|part| self.members(part)));
        }
        found.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        found
    }

    /// Fails unless a query with the parameters `others` has exactly those of a `GET`. One parameter `metadata` stands
    /// for all names that begin with it.
    #[track_caller]
    pub fn asks(&self, path: &str, query: &Query, others: &[&str]) {
        let parameters = self.0["paths"][path]["get"]["parameters"].as_array().unwrap();
        let theirs: BTreeSet<_> = parameters
            .iter()
            .map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => self.0.pointer(&reference[1..]).unwrap(),
                None => parameter,
            })
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let ours = query.names().map(|name| if name.starts_with("metadata.") { "metadata" } else { name });
        let ours: BTreeSet<_> = ours.chain(others.iter().copied()).collect();
        assert_eq!(ours, theirs, "{path}");
    }

    /// Fails unless every example of an operation's successful responses parses; there must be one.
    #[track_caller]
    pub fn parses<T: DeserializeOwned>(&self, method: &Method, path: &str) {
        let operation = &self.0["paths"][path][method.as_str().to_lowercase()];
        let responses = operation["responses"].as_object().unwrap();
        let mut parsed = 0;
        for (_, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
            let content = &response["content"]["application/json"];
            let one = content.get("example");
            let more = content["examples"].as_object().into_iter().flat_map(|examples| examples.values());
            for example in one.into_iter().chain(more.map(|example| &example["value"])) {
                let text = example.to_string();
                if let Err(error) = serde_json::from_str::<Reply<T>>(&text) {
                    panic!("{method} {path}: {error} in {text}");
                }
                parsed += 1;
            }
        }
        assert!(parsed > 0, "{method} {path} has no example");
    }
}

/// A deserializer that only learns the members of a struct.
struct Members<'a>(&'a mut BTreeSet<String>);

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        self.0.extend(fields.iter().map(|field| (*field).to_owned()));
        Err(Stop::custom("enough"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
