//! The JSON views in responses.

mod command;
mod credential;
mod event;
mod limits;
mod pipeline;
mod project;
mod provider;
mod request;
mod result;
mod statistics;
mod template;

pub(crate) use command::{CommandDetail, CommandView};
pub(crate) use credential::{CredentialUseView, CredentialView};
pub(crate) use event::EventView;
pub(crate) use limits::LimitsView;
pub(crate) use pipeline::{ActivatedRepositoryView, PipelineSecretView, PipelineView};
pub(crate) use project::ProjectView;
pub(crate) use provider::ProviderView;
pub(crate) use request::RequestView;
pub(crate) use result::{ResultView, UsageView};
pub(crate) use statistics::ProjectStatisticsView;
pub(crate) use template::{AppliedTemplateView, RenderedTemplateView, TemplateView};

use rdev_http::ListOf;

pub(crate) type CommandList = ListOf<CommandView<'static>>;
pub(crate) type CredentialList = ListOf<CredentialView<'static>>;
pub(crate) type CredentialUseList = ListOf<CredentialUseView<'static>>;
pub(crate) type EventList = ListOf<EventView<'static>>;
pub(crate) type PipelineList = ListOf<PipelineView<'static>>;
pub(crate) type ProjectList = ListOf<ProjectView<'static>>;
pub(crate) type ProviderList = ListOf<ProviderView<'static>>;
pub(crate) type TemplateList = ListOf<TemplateView<'static>>;
