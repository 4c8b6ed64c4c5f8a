//! The outline of a schema: its parts, what each applies, and its violations.

use std::collections::{HashMap, VecDeque};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::effort::{self, Part, Steps};
use super::pattern;
use super::schema::{SchemaViolation, UNUSABLE_PATTERN};

/// The maximum number of patterns of a schema; each takes memory once it is compiled.
const MAX_PATTERNS: usize = 64;

/// Keywords whose schemas apply to the same value: in an array, by name, or alone.
const SAME_IN_ARRAY: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const SAME_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];
const SAME: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords whose schemas apply to all members of an object, or to all elements of an array.
const OF_MEMBERS: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "propertyNames"];
const OF_ELEMENTS: [&str; 4] = ["items", "additionalItems", "unevaluatedItems", "contains"];
/// Keywords whose schemas apply to one element each.
const OF_AN_ELEMENT: [&str; 2] = ["prefixItems", "items"];
/// Keywords whose schemas apply to nothing unless something refers to them.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Keywords that refer to another schema for the same value. In a document that has one base and each name
/// once, the dynamic ones resolve as the plain one does.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];
/// Keywords that name a schema so that others can refer to it.
const ANCHORS: [&str; 2] = ["$anchor", "$dynamicAnchor"];
/// Keywords whose length costs time in each check.
const LISTS: [&str; 4] = ["enum", "required", "properties", "patternProperties"];

/// The number of list entries that are checked in one step.
const PER_STEP: usize = 16;

/// The outline of a schema.
pub(super) struct Outline {
    /// The maximum number of visits of one place of the data.
    pub(super) visits: u64,
    /// The maximum number of steps for one byte of data, patterns included.
    pub(super) steps: u64,
    /// The memory of its compiled patterns.
    pub(super) pattern_bytes: u64,
    pub(super) violations: Vec<SchemaViolation>,
    /// Whether a pattern is too large to be compiled.
    pub(super) has_large_pattern: bool,
}

impl Outline {
    /// Visits every part of a schema. A schema that has violations of form, too, is visited as far as it
    /// makes sense.
    pub(super) fn new(schema: &Value) -> Self {
        let mut walk = Walk::new(schema);
        walk.part(schema, String::new());
        while let Some(next) = walk.ahead.pop_front() {
            walk.visit(next);
        }
        walk.resolve_anchors();
        let count = walk.pattern_count;
        if count > MAX_PATTERNS {
            walk.violation("", format!("contains {count} patterns; at most {MAX_PATTERNS} are allowed"));
        }
        if walk.pattern_bytes > pattern::MAX_BYTES {
            walk.violation("", "contains patterns that take too much memory together");
        }
        let (pattern_bytes, has_large_pattern) = (walk.pattern_bytes, walk.has_large_pattern);
        let counted = effort::visits(&walk.parts, |part| part.own).and_then(|visits| {
            let steps = effort::visits(&walk.parts, |part| part.own + part.patterns)?;
            Ok((visits, steps))
        });
        let mut violations = walk.violations;
        let (visits, steps) = match counted {
            Ok(counted) => counted,
            Err((part, reason)) => {
                // With other violations the count may be wrong because of them.
                if violations.is_empty() {
                    let pointer = walk.places.swap_remove(part);
                    violations.push(SchemaViolation { pointer, detail: reason.to_owned() });
                }
                (0, 0)
            }
        };
        Self { visits, steps, pattern_bytes, violations, has_large_pattern }
    }
}

/// The state of a visit of a schema.
struct Walk<'a> {
    root: &'a Value,
    parts: Vec<Part>,
    /// The JSON pointer of each part.
    places: Vec<String>,
    /// The part of each value, by the value's address.
    known: HashMap<*const Value, usize>,
    /// The parts that are still to be visited.
    ahead: VecDeque<(usize, &'a Map<String, Value>)>,
    anchors: HashMap<&'a str, usize>,
    /// The references by anchor: the part, the keyword, and the anchor.
    unresolved: Vec<(usize, &'static str, &'a str)>,
    pattern_count: usize,
    pattern_bytes: u64,
    has_large_pattern: bool,
    violations: Vec<SchemaViolation>,
}

impl<'a> Walk<'a> {
    fn new(root: &'a Value) -> Self {
        Self {
            root,
            parts: Vec::new(),
            places: Vec::new(),
            known: HashMap::new(),
            ahead: VecDeque::new(),
            anchors: HashMap::new(),
            unresolved: Vec::new(),
            pattern_count: 0,
            pattern_bytes: 0,
            has_large_pattern: false,
            violations: Vec::new(),
        }
    }

    fn violation(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(SchemaViolation { pointer: pointer.into(), detail: detail.into() });
    }

    /// Returns the part of a value; a new one is visited later.
    fn part(&mut self, value: &'a Value, place: String) -> usize {
        let part = *self.known.entry(std::ptr::from_ref(value)).or_insert(self.parts.len());
        if part == self.parts.len() {
            self.parts.push(Part::default());
            self.places.push(place);
            if let Value::Object(members) = value {
                self.ahead.push_back((part, members));
            }
        }
        part
    }

    fn visit(&mut self, (part, members): (usize, &'a Map<String, Value>)) {
        let place = self.places[part].clone();
        if !place.is_empty() && members.get("$id").is_some_and(Value::is_string) {
            self.violation(below(&place, "$id"), "is supported only at the top of a schema");
        }
        for name in ANCHORS {
            if let Some(anchor) = members.get(name).and_then(Value::as_str)
                && self.anchors.insert(anchor, part).is_some_and(|other| other != part)
            {
                self.violation(below(&place, name), "is given twice in this schema");
            }
        }
        let lists = LISTS.iter().filter_map(|name| members.get(*name));
        let length: usize = lists
            .map(|list| match list {
                Value::Array(elements) => elements.len(),
                Value::Object(members) => members.len(),
                _ => 0,
            })
            .sum();
        let own = 1 + (length / PER_STEP) as u64;
        let mut patterns = 0;
        if let Some(pattern) = members.get("pattern").and_then(Value::as_str) {
            patterns += self.pattern(below(&place, "pattern"), pattern);
        }
        let by_pattern = members.get("patternProperties").and_then(Value::as_object);
        for pattern in by_pattern.into_iter().flat_map(Map::keys) {
            patterns += self.pattern(below(&below(&place, "patternProperties"), pattern), pattern);
        }
        self.parts[part].own = own;
        self.parts[part].patterns = patterns;

        let same: Vec<_> = self.elements(members, &place, &SAME_IN_ARRAY);
        let same = same.into_iter().chain(self.by_name(members, &place, &SAME_BY_NAME));
        let mut same: Vec<_> = same.chain(self.alone(members, &place, &SAME)).collect();
        same.extend(self.references(part, members, &place));
        let steps = Steps {
            one_member: self.by_name(members, &place, &["properties"]),
            every_member: {
                let mut every = self.by_name(members, &place, &["patternProperties"]);
                every.extend(self.alone(members, &place, &OF_MEMBERS));
                every
            },
            one_element: self.elements(members, &place, &OF_AN_ELEMENT),
            every_element: self.alone(members, &place, &OF_ELEMENTS),
        };
        self.parts[part].same = same;
        self.parts[part].steps = steps;
        self.by_name(members, &place, &DEFINITIONS);
    }

    /// Records a pattern, and returns its number of steps for each byte of text.
    fn pattern(&mut self, place: String, pattern: &str) -> u64 {
        self.pattern_count += 1;
        if self.pattern_count > MAX_PATTERNS {
            // There are too many already: no further one is examined.
            self.has_large_pattern = true;
            return 0;
        }
        if pattern.len() > pattern::MAX_LEN {
            self.has_large_pattern = true;
            self.violation(place, format!("must be at most {} bytes long", pattern::MAX_LEN));
            return 0;
        }
        let Some(cost) = pattern::cost(pattern) else {
            self.violation(place, UNUSABLE_PATTERN);
            return 0;
        };
        if cost.steps > pattern::MAX_STEPS {
            self.has_large_pattern = true;
            let detail = format!(
                "is too large: written out without repetitions it has {} characters, and at most {} are possible; \
                 `maxLength` bounds the length of a text at no cost",
                cost.steps,
                pattern::MAX_STEPS
            );
            self.violation(place, detail);
            return 0;
        }
        self.pattern_bytes = self.pattern_bytes.saturating_add(cost.bytes);
        cost.steps
    }

    /// Returns the schemas in the arrays of these keywords.
    fn elements(&mut self, members: &'a Map<String, Value>, place: &str, keywords: &[&str]) -> Vec<usize> {
        let mut found = Vec::new();
        for keyword in keywords {
            let place = below(place, keyword);
            for (index, value) in
                members.get(*keyword).and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                found.push(self.part(value, below(&place, &index.to_string())));
            }
        }
        found
    }

    /// Returns the schemas in the objects of these keywords. An array there is a list of names, and no
    /// part.
    fn by_name(&mut self, members: &'a Map<String, Value>, place: &str, keywords: &[&str]) -> Vec<usize> {
        let mut found = Vec::new();
        for keyword in keywords {
            let place = below(place, keyword);
            for (name, value) in members.get(*keyword).and_then(Value::as_object).into_iter().flatten() {
                if !value.is_array() {
                    found.push(self.part(value, below(&place, name)));
                }
            }
        }
        found
    }

    /// Returns the schemas that are the values of these keywords.
    fn alone(&mut self, members: &'a Map<String, Value>, place: &str, keywords: &[&str]) -> Vec<usize> {
        let mut found = Vec::new();
        for keyword in keywords {
            if let Some(value) = members.get(*keyword).filter(|value| !value.is_array()) {
                found.push(self.part(value, below(place, keyword)));
            }
        }
        found
    }

    /// Returns the schemas that are referred to by pointer. References by anchor are resolved later.
    fn references(&mut self, part: usize, members: &'a Map<String, Value>, place: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for keyword in REFERENCES {
            let Some(reference) = members.get(keyword).and_then(Value::as_str) else {
                continue;
            };
            let Some(fragment) = reference.strip_prefix('#') else {
                let detail = "leads out of this schema: only references that begin with # are supported";
                self.violation(below(place, keyword), detail);
                continue;
            };
            if !fragment.is_empty() && !fragment.starts_with('/') {
                self.unresolved.push((part, keyword, fragment));
                continue;
            }
            let pointer = percent_decode_str(fragment).decode_utf8_lossy();
            match self.root.pointer(&pointer) {
                Some(value) => found.push(self.part(value, pointer.into_owned())),
                None => self.violation(below(place, keyword), "does not resolve within this schema"),
            }
        }
        found
    }

    fn resolve_anchors(&mut self) {
        for (part, keyword, anchor) in std::mem::take(&mut self.unresolved) {
            match self.anchors.get(anchor) {
                Some(target) => self.parts[part].same.push(*target),
                None => {
                    let place = below(&self.places[part], keyword);
                    self.violation(place, "does not resolve within this schema");
                }
            }
        }
    }
}

fn below(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}
