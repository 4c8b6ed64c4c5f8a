//! The commands that an agent runs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::CommandId;

/// The commands that an agent runs in this process, each with a handle by which it can be reached.
#[derive(Debug)]
pub struct RunningCommands<T> {
    handles: Mutex<HashMap<CommandId, T>>,
}

/// A command of [`RunningCommands`], until it is dropped.
#[derive(Debug)]
pub struct RunningCommand<'a, T> {
    all: &'a RunningCommands<T>,
    command: CommandId,
}

impl<T> Default for RunningCommands<T> {
    fn default() -> Self {
        Self { handles: Mutex::default() }
    }
}

impl<T: Clone> RunningCommands<T> {
    /// Adds a command. It is removed when the guard is dropped, so also if the caller of the agent drops its future.
    #[must_use]
    pub fn add(&self, command: CommandId, handle: T) -> RunningCommand<'_, T> {
        self.handles().insert(command, handle);
        RunningCommand { all: self, command }
    }

    /// Returns the handle of a command that runs.
    #[must_use]
    pub fn get(&self, command: CommandId) -> Option<T> {
        self.handles().get(&command).cloned()
    }
}

impl<T> RunningCommands<T> {
    fn handles(&self) -> MutexGuard<'_, HashMap<CommandId, T>> {
        // A panic cannot leave the map half changed.
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for RunningCommand<'_, T> {
    fn drop(&mut self) {
        self.all.handles().remove(&self.command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_until_its_guard_is_dropped() {
        let running = RunningCommands::default();
        let [first, second] = [1, 2].map(|n| CommandId::from_parts(crate::Timestamp::EPOCH, [n; 10]));
        let guard = running.add(first, "handle");
        assert_eq!((running.get(first), running.get(second)), (Some("handle"), None));
        drop(guard);
        assert_eq!(running.get(first), None);
    }
}
