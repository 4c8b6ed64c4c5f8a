//! The ids of the domain.

rdev_core::typed_id!(
    /// The id of a command: `cmd_…`.
    CommandId,
    "cmd"
);

rdev_core::typed_id!(
    /// The id of a pipeline: `pipe_…`.
    PipelineId,
    "pipe"
);
