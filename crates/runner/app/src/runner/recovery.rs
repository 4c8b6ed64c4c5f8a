//! The care for what earlier runners of this host have left behind.

use futures_util::future::join_all;
use rdev_runner_domain::Access;
use rdev_runner_domain::ports::CodeAgent;

use super::run::forget;
use super::shared::Shared;

/// Has the agents take over what earlier runners have left behind, and forget the commands that have ended.
pub(super) async fn recover(shared: &Shared) {
    let agents = shared.agents.agents();
    join_all(agents.iter().map(|agent| recover_agent(shared, &**agent))).await;
}

async fn recover_agent(shared: &Shared, agent: &dyn CodeAgent) {
    for command in agent.recover().await {
        let get = || shared.ports.commands.get(Access::everything(), command);
        let found = shared.insist("get a command", get).await;
        // One that does not exist was deleted.
        if found.is_none_or(|found| found.state.outcome().is_some()) {
            let provider = agent.provider();
            tracing::info!(%command, %provider, "removing what an ended command has left behind");
            forget(Some(agent), command).await;
        }
    }
}
