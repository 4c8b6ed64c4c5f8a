//! The kinds of problems of this API, besides the general ones.

use rdev_http::problem_codes;

problem_codes! {
    /// All of them.
    const ALL in "rdev-runner";

    /// A project of that name exists.
    PROJECT_EXISTS = "project_exists", CONFLICT, "Project exists";
    /// Commands of the project have not ended.
    PROJECT_IN_USE = "project_in_use", CONFLICT, "Project in use";
    /// The project of the command was deleted.
    PROJECT_DELETED = "project_deleted", CONFLICT, "Project deleted";
    /// The project is archived: it takes no commands and no templates, and runs no pipelines.
    PROJECT_ARCHIVED = "project_archived", CONFLICT, "Project archived";
    /// The project is being deleted.
    PROJECT_DELETING = "project_deleting", CONFLICT, "Project being deleted";
    /// The operator has named no Woodpecker server.
    WOODPECKER_NOT_CONFIGURED = "woodpecker_not_configured", CONFLICT, "Woodpecker not configured";
    /// The project names no repository.
    REPOSITORY_MISSING = "repository_missing", CONFLICT, "Repository missing";
    /// Woodpecker does not run pipelines for the repository.
    REPOSITORY_INACTIVE = "repository_inactive", CONFLICT, "Repository inactive";
    /// No step of the pipeline has to run.
    PIPELINE_EMPTY = "pipeline_empty", CONFLICT, "Pipeline empty";
    /// The same request was sent to Woodpecker before and is not answered.
    PIPELINE_IN_PROGRESS = "pipeline_in_progress", SERVICE_UNAVAILABLE, "Pipeline in progress";
    /// Woodpecker refused the request.
    WOODPECKER_REFUSED = "woodpecker_refused", CONFLICT, "Woodpecker refused";
    /// Woodpecker did not answer as it should.
    WOODPECKER_UNAVAILABLE = "woodpecker_unavailable", BAD_GATEWAY, "Woodpecker unavailable";
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
    /// The pod with the workspace of the project cannot be reached.
    WORKSPACE_UNREACHABLE = "workspace_unreachable", BAD_GATEWAY, "Workspace unreachable";
    /// The template is invalid, or what it makes of the variables is.
    TEMPLATE_INVALID = "template_invalid", UNPROCESSABLE_ENTITY, "Template invalid";
}
