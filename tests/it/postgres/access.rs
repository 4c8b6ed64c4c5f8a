//! API keys on Postgres.

use rdev_webhooks_tests::Deployment;

use crate::access::two_projects_share_a_system;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projects_share_a_deployment() {
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    two_projects_share_a_system(&deployment.client()).await;
}
