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
    ProblemCode::IDEMPOTENCY_KEY_IN_USE,
    ProblemCode::IDEMPOTENCY_KEY_REUSED,
    ProblemCode::VERSION_MISMATCH,
    ProblemCode::BODY_TOO_LARGE,
    ProblemCode::UNSUPPORTED_MEDIA_TYPE,
    ProblemCode::VALIDATION_FAILED,
    ProblemCode::INTERNAL_ERROR,
    ProblemCode::UNAVAILABLE,
    ProblemCode::DEADLINE_EXCEEDED,
];
