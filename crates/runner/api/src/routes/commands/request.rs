//! The body that queues a command.

use rdev_http::Faults;
use rdev_http::body::Document;
use rdev_http::kind::{self, Kind};
use rdev_http::members::{Patch, Patched};
use rdev_runner_app::NewCommand;
use rdev_runner_domain::{MAX_PROMPT_BYTES, Session};

use crate::routes::limits::{LimitsBody, limits};
use crate::routes::tools::{Secrets, Tools, elements};
use crate::schema_types as types;

rdev_http::members! {
    /// A new command. `null` means that an optional member is absent.
    pub(super) struct CommandBody as NewCommand {
        /// The provider; by default that of the project, and the default provider if the project names none.
        r#type: Option<types::AgentProvider>,
        prompt: Prompt,
        /// The session to continue; by default a new one.
        session: Option<SessionBody>,
        /// By default the agent's own default.
        model: Option<types::ModelName>,
        /// The limits, over those of the project.
        limits: Patch<LimitsBody>,
        /// By default those of the project.
        permissions: Option<types::PermissionProfile>,
        /// The tools that the agent may use in addition to those of the permission profile; by default those of the
        /// project.
        allowed_tools: Option<Tools>,
        /// The tools that the agent may not use, which take precedence; by default those of the project.
        denied_tools: Option<Tools>,
        /// The secrets that the agent finds in its environment; by default those of the project.
        secrets: Option<Secrets>,
    }
}

rdev_http::members! {
    /// The session that the command continues: exactly one of the members.
    pub(in crate::routes) struct SessionBody as NewSession {
        /// This session itself.
        resume: Patch<types::SessionRef>,
        /// A copy of this session.
        fork: Patch<types::SessionRef>,
    }
}

rdev_http::kind! {
    /// What the agent is asked to do: at most 1 MiB, not blank.
    pub(super) Prompt: String = kind::string().min_length(Some(1)).max_length(Some(MAX_PROMPT_BYTES)), |value, faults| {
        value.string(faults)
    }
}

/// What a body asks for, as far as it can be read, and the faults of its form.
pub(super) struct Read {
    pub(super) new: Option<NewCommand>,
    pub(super) faults: Faults,
}

/// Reads the whole body. What cannot be read has a value without a fault meanwhile, so that the rest can be checked for
/// its meaning.
pub(super) fn read(document: &Document) -> Read {
    let mut faults = Faults::default();
    let body = CommandBody::read(&document.root(), &mut faults);
    let new = body.map(|body| NewCommand {
        provider: body.r#type,
        // The fault of an absent prompt has been recorded.
        prompt: body.prompt.unwrap_or_else(|| "-".to_owned()),
        session: session(body.session, &mut faults),
        model: body.model,
        permissions: body.permissions,
        allowed_tools: body.allowed_tools.map(elements),
        denied_tools: body.denied_tools.map(elements),
        limits: limits(body.limits),
        secrets: body.secrets.map(elements),
    });
    Read { new, faults }
}

fn session(body: Option<SessionBody>, faults: &mut Faults) -> Session {
    use Patched::{Absent, Null, Unreadable, Value};
    let Some(SessionBody { resume, fork }) = body else { return Session::New };
    match (resume, fork) {
        (Value(session), Absent | Null) => Session::Resume(session),
        (Absent | Null, Value(session)) => Session::Fork(session),
        // The fault has been recorded.
        (Unreadable, Absent | Null) | (Absent | Null, Unreadable) => Session::New,
        _ => {
            faults.at("/session", "must have either resume or fork");
            Session::New
        }
    }
}
