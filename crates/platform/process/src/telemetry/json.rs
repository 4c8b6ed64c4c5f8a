//! The JSON format of the log: one object per line, errors with all their causes.
//!
//! The JSON format of `tracing-subscriber` shows an error without its sources, and so without the reason
//! (<https://github.com/tokio-rs/tracing/issues/2784>).

use std::error::Error;
use std::fmt;

use rdev_core::with_causes;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Formats events. The event's own fields are at the top level, where log collectors look for `message`. The
/// fields of spans must be formatted as JSON.
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Vec::with_capacity(256);
        write_line(&mut line, context, event).map_err(|_| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

fn write_line<S, N>(
    line: &mut Vec<u8>,
    context: &FmtContext<'_, S, N>,
    event: &Event<'_>,
) -> serde_json::Result<()>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    // An event from the crate `log` has its real origin in fields.
    let normalized = event.normalized_metadata();
    let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
    let mut serializer = serde_json::Serializer::new(line);
    let mut object = serializer.serialize_map(None)?;
    let mut now = String::new();
    // Writing to a string cannot fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut now));
    object.serialize_entry("timestamp", &now)?;
    object.serialize_entry("level", metadata.level().as_str())?;
    let mut fields = Fields { object, failed: None };
    event.record(&mut fields);
    let Fields { mut object, failed } = fields;
    failed.map_or(Ok(()), Err)?;
    object.serialize_entry("target", metadata.target())?;
    if let Some(span) = context.lookup_current() {
        let extensions = span.extensions();
        let recorded = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
        let mut recorded = match serde_json::from_str(recorded) {
            Ok(Value::Object(recorded)) => recorded,
            _ => serde_json::Map::new(),
        };
        recorded.insert("name".to_owned(), span.name().into());
        object.serialize_entry("span", &recorded)?;
    }
    object.end()
}

/// Writes an event's fields as members of an object.
struct Fields<O: SerializeMap> {
    object: O,
    failed: Option<O::Error>,
}

impl<O: SerializeMap> Fields<O> {
    fn write(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.failed.is_none() && !field.name().starts_with("log.") {
            self.failed = self.object.serialize_entry(field.name(), value).err();
        }
    }
}

impl<O: SerializeMap> Visit for Fields<O> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, &with_causes(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format!("{value:?}"));
    }
}
