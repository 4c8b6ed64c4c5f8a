//! Events.

mod accepted;
mod batch;
mod draft;
mod feed;
mod get;
mod list;
mod producer;
mod publish;
mod stream;
mod trace;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(publish::publish, batch::batch, feed::feed, stream::stream, list::list, get::get))]
pub(super) struct Described;

pub(super) use batch::batch;
pub(super) use draft::Payload;
pub(super) use feed::feed;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use publish::publish;
pub(super) use stream::stream;
