//! The agent passes the contract of agents.

use rdev_runner_testkit::contract::Prompts;

use crate::agent;
use crate::stand_in::StandIn;

rdev_runner_testkit::agent_contract_tests!((), {
    let prompts = Prompts { echo: |text| format!("say {text}"), endless: "hang" };
    (agent(&StandIn::start().await), prompts)
});
