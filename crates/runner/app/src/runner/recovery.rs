//! The care for what runners that have died have left behind.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rdev_app::periodic::Periodic;
use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{Access, CommandId};

use super::run::forget;
use super::shared::Shared;

/// The interval between looks for what is left.
const RECOVER_INTERVAL: Duration = Duration::from_secs(60);

/// Has the agents take over what earlier runners have left behind, and removes what is left of commands that have ended.
pub(super) struct Recovering(pub(super) Arc<Shared>);

impl Periodic for Recovering {
    async fn run_once(&mut self) -> Duration {
        let shared = &*self.0;
        let agents = shared.agents.agents();
        join_all(agents.iter().map(|agent| recover_agent(shared, &**agent))).await;
        // Afterwards no agent works in the worktree of an ended command.
        recover_worktrees(shared).await;
        RECOVER_INTERVAL
    }
}

async fn recover_agent(shared: &Shared, agent: &dyn CodeAgent) {
    for command in agent.recover().await {
        if has_ended(shared, command).await {
            let provider = agent.provider();
            tracing::info!(%command, %provider, "removing what an ended command has left behind");
            forget(Some(agent), command).await;
        }
    }
}

async fn recover_worktrees(shared: &Shared) {
    let Some(version_control) = &shared.ports.version_control else { return };
    for command in version_control.worktrees().await {
        if has_ended(shared, command).await {
            tracing::info!(%command, "removing the worktree of an ended command");
            shared.remove_worktree(command).await;
        }
    }
}

async fn has_ended(shared: &Shared, command: CommandId) -> bool {
    let get = || shared.ports.commands.get(Access::everything(), command);
    let found = shared.insist("get a command", get).await;
    // One that does not exist was deleted.
    found.is_none_or(|found| found.state.outcome().is_some())
}
