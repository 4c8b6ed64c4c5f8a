//! A cache of compiled schemas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rdev_webhooks_domain::EventType;

use super::schema::DataSchema;

/// The estimated memory that compiled schemas may take.
const MAX_BYTES: u64 = 64 << 20;

/// A compiled schema; `None` if it can no longer be used.
pub(super) type Usable = Option<Arc<DataSchema>>;

/// Compiled schemas, as many as fit into the memory limit; the most recently used are kept. So many or
/// large types neither make a process take more memory nor delay its start.
#[derive(Default)]
pub(super) struct Compiled {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_type: HashMap<EventType, Entry>,
    bytes: u64,
    /// The number of uses so far.
    uses: u64,
}

struct Entry {
    text: Arc<str>,
    schema: Usable,
    last_use: u64,
}

impl Entry {
    fn bytes(&self) -> u64 {
        self.schema.as_ref().map_or(0, |schema| schema.bytes())
    }
}

impl Compiled {
    /// Returns the schema of a type if it is cached.
    pub(super) fn get(&self, name: &EventType, text: &Arc<str>) -> Option<Usable> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let entry = kept.by_type.get_mut(name).filter(|entry| Arc::ptr_eq(&entry.text, text))?;
        entry.last_use = now;
        Some(entry.schema.clone())
    }

    /// Returns the schema of a type, and compiles it if it is not cached. Compiling takes a while.
    pub(super) fn get_or_compile(&self, name: &EventType, text: &Arc<str>) -> Usable {
        if let Some(schema) = self.get(name, text) {
            return schema;
        }
        let schema = match DataSchema::parse(text) {
            Ok(schema) => Some(Arc::new(schema)),
            Err(violations) => {
                let violation = violations.first().map(ToString::to_string).unwrap_or_default();
                tracing::error!(event_type = %name, violation, "event type has an unusable schema; refusing its events until it is registered again");
                None
            }
        };
        self.keep(name, text, schema.clone());
        schema
    }

    fn keep(&self, name: &EventType, text: &Arc<str>, schema: Usable) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let entry = Entry { text: Arc::clone(text), schema, last_use: kept.uses };
        kept.bytes += entry.bytes();
        if let Some(replaced) = kept.by_type.insert(name.clone(), entry) {
            kept.bytes -= replaced.bytes();
        }
        while kept.bytes > MAX_BYTES {
            let has_weight = kept.by_type.iter().filter(|(_, entry)| entry.bytes() > 0);
            let oldest = has_weight.min_by_key(|(_, entry)| entry.last_use).map(|(name, _)| name.clone());
            let Some(removed) = oldest.and_then(|oldest| kept.by_type.remove(&oldest)) else {
                break;
            };
            kept.bytes -= removed.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_recently_used_are_kept_within_bounds() {
        let compiled = Compiled::default();
        // Each schema is large.
        let patterns: Vec<_> =
            (0..30).map(|n| format!(r#"{{"pattern":"(a{n}|b[cd]{{1,100}})e"}}"#)).collect();
        let properties: Vec<_> =
            patterns.iter().enumerate().map(|(n, pattern)| format!(r#""p{n}":{pattern}"#)).collect();
        let text = format!(r#"{{"properties":{{{}}}}}"#, properties.join(","));
        let names: Vec<EventType> = (0..8).map(|n| format!("type.n{n}").parse().unwrap()).collect();
        let texts: Vec<Arc<str>> = names.iter().map(|_| text.as_str().into()).collect();
        for (name, text) in names.iter().zip(&texts) {
            assert!(compiled.get_or_compile(name, text).is_some());
            assert!(compiled.get_or_compile(&names[0], &texts[0]).is_some());
        }
        let bytes = compiled.kept.lock().unwrap().bytes;
        assert!(bytes <= MAX_BYTES, "{bytes}");
        let is_kept = |n: usize| compiled.get(&names[n], &texts[n]).is_some();
        assert!(is_kept(0) && is_kept(7) && !is_kept(1));
        // Another text is another schema.
        assert!(compiled.get(&names[0], &texts[1]).is_none());
    }

    #[test]
    fn an_unusable_schema_is_compiled_once() {
        let compiled = Compiled::default();
        let (name, text): (EventType, Arc<str>) = ("order.paid".parse().unwrap(), "[]".into());
        assert!(compiled.get_or_compile(&name, &text).is_none());
        assert!(matches!(compiled.get(&name, &text), Some(None)));
    }
}
