//! `PUT /event-types/{name}`: registers an event type, 201 with `Location`, or replaces the one that is
//! registered, 200; 409 for one that is built in.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use rdev_webhooks_app::{Catalogue, CatalogueError, MAX_SCHEMA_LEN, NewType, Services};

use crate::body::{Document, Value};
use crate::fault::Faults;
use crate::path::PathName;
use crate::problem::{Problem, ProblemCode};
use crate::routes::webhooks::description;
use crate::views::{self, EventTypeView};

pub(crate) async fn put(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    PathName(name): PathName,
    document: Document,
) -> Result<Response, Problem> {
    let name = name.map_err(|detail| Problem::new(ProblemCode::ValidationFailed, detail))?;
    let mut faults = Faults::default();
    let new = read(&document, &mut faults);
    if !faults.is_empty() {
        return Err(vet(new.schema, faults).await);
    }
    let (event_type, is_new) = services.catalogue.put(name, new).await?;
    let shown = views::json(&EventTypeView::from(&event_type));
    if !is_new {
        return Ok(shown);
    }
    let location = HeaderValue::try_from(uri.path()).map(|path| [(LOCATION, path)]);
    Ok((StatusCode::CREATED, location.ok(), shown).into_response())
}

fn read(document: &Document, faults: &mut Faults) -> NewType {
    let Some(mut object) = document.root().object(faults) else {
        return NewType::default();
    };
    let description = object.optional("description").and_then(|value| description(&value, faults));
    let schema = object.optional("schema").and_then(|value| schema(&value, faults));
    object.finish(faults);
    NewType { description, schema }
}

fn schema(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    if value.text().len() > MAX_SCHEMA_LEN {
        return value.refuse(faults, format_args!("must be at most {MAX_SCHEMA_LEN} bytes long"));
    }
    value.object(faults)?;
    value.readable(faults)?;
    Some(value.text().to_owned())
}

/// Adds what is wrong with the schema by substance to faults of form, so that all are told at once.
async fn vet(schema: Option<String>, mut faults: Faults) -> Problem {
    let Some(schema) = schema else {
        return faults.into();
    };
    match Catalogue::vet_schema(schema.into()).await {
        Err(CatalogueError::Schema(found)) => {
            faults.of_schema(&found);
            faults.into()
        }
        _ => faults.into(),
    }
}
