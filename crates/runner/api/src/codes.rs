//! The kinds of problems of this API, besides the general ones.

use rdev_http::{ProblemCode, problem_codes};

problem_codes! {
    /// A project of that name exists.
    PROJECT_EXISTS = "project_exists", CONFLICT, "Project exists";
    /// A command of the project has not ended.
    PROJECT_IN_USE = "project_in_use", CONFLICT, "Project in use";
    /// The project of the command was deleted.
    PROJECT_DELETED = "project_deleted", CONFLICT, "Project deleted";
    /// The command has ended and cannot be cancelled.
    COMMAND_ENDED = "command_ended", CONFLICT, "Command ended";
    /// The command has not ended and cannot be deleted.
    COMMAND_NOT_ENDED = "command_not_ended", CONFLICT, "Command not ended";
    /// The provider can no longer do what the command asks for.
    COMMAND_NOT_REPEATABLE = "command_not_repeatable", CONFLICT, "Command not repeatable";
    /// Files of the workspace have other content than those of the template.
    FILES_CHANGED = "files_changed", CONFLICT, "Files changed";
    /// Something other than a file is in the way of a file of the template.
    FILES_BLOCKED = "files_blocked", CONFLICT, "Files blocked";
    /// Another template is being written to the workspace.
    WORKSPACE_BUSY = "workspace_busy", CONFLICT, "Workspace busy";
    /// The workspace of the project cannot be read or written.
    WORKSPACE_UNUSABLE = "workspace_unusable", CONFLICT, "Workspace unusable";
    /// The template is invalid, or what it makes of the variables is.
    TEMPLATE_INVALID = "template_invalid", UNPROCESSABLE_ENTITY, "Template invalid";
}

/// All kinds of problems that a response of this API may contain.
pub const ALL: &[ProblemCode] = &[
    ProblemCode::MALFORMED_JSON,
    ProblemCode::INCOMPLETE_BODY,
    ProblemCode::UNAUTHENTICATED,
    ProblemCode::FORBIDDEN,
    ProblemCode::NOT_FOUND,
    ProblemCode::METHOD_NOT_ALLOWED,
    ProblemCode::REQUEST_TIMEOUT,
    PROJECT_EXISTS,
    PROJECT_IN_USE,
    PROJECT_DELETED,
    COMMAND_ENDED,
    COMMAND_NOT_ENDED,
    COMMAND_NOT_REPEATABLE,
    FILES_CHANGED,
    FILES_BLOCKED,
    WORKSPACE_BUSY,
    WORKSPACE_UNUSABLE,
    ProblemCode::IDEMPOTENCY_KEY_IN_USE,
    ProblemCode::IDEMPOTENCY_KEY_REUSED,
    ProblemCode::VERSION_MISMATCH,
    ProblemCode::BODY_TOO_LARGE,
    ProblemCode::UNSUPPORTED_MEDIA_TYPE,
    ProblemCode::VALIDATION_FAILED,
    TEMPLATE_INVALID,
    ProblemCode::INTERNAL_ERROR,
    ProblemCode::UNAVAILABLE,
    ProblemCode::DEADLINE_EXCEEDED,
];
