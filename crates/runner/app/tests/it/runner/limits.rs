//! Many commands on two runners.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rdev_runner_app::{AgentRegistry, DemoAgent, RunnerHost, RunnerOptions};
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, CommandStatus};
use rdev_runner_store_postgres::{PostgresCommands, migrate};
use rdev_webhooks::Publisher;
use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::postgres::PgPoolOptions;

use super::scene::{RunnerTask, Scene, command, keyring};

const COMMANDS: u16 = 200;

/// How many commands run, by what limits them, and the most that ever did.
type Counts = Arc<Mutex<BTreeMap<String, (u32, u32)>>>;

/// The demonstration agent, with a count of its runs.
struct Counting {
    agent: DemoAgent,
    counts: Counts,
}

impl Counting {
    fn count(&self, run: &AgentRun, change: i32) {
        let draft = run.request.draft();
        let mut counts = self.counts.lock().unwrap();
        for name in ["all".to_owned(), draft.provider.to_string(), draft.project.to_string()] {
            let (now, most) = counts.entry(name).or_default();
            *now = now.checked_add_signed(change).unwrap();
            *most = (*most).max(*now);
        }
    }
}

#[async_trait]
impl CodeAgent for Counting {
    fn provider(&self) -> &AgentProvider {
        self.agent.provider()
    }

    fn capabilities(&self) -> Capabilities {
        self.agent.capabilities()
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        self.agent.probe().await
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        self.count(run, 1);
        let result = self.agent.execute(run, sink).await;
        self.count(run, -1);
        result
    }

    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult> {
        self.agent.attach(run, checkpoint, sink).await
    }

    async fn forget(&self, command: CommandId) {
        self.agent.forget(command).await;
    }

    async fn cancel(&self, command: CommandId) {
        self.agent.cancel(command).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_keep_all_limits_at_every_instant() {
    let server = PostgresServer::shared().await;
    let database = server.database(async |url| rdev_webhooks::migrate(url).await).await;
    let counts = Counts::default();
    let providers = ["claude", "demo"];
    let mut scenes = Vec::new();
    for number in 0..2 {
        let pool = PgPoolOptions::new().max_connections(4).connect(&database.url()).await.unwrap();
        migrate(&pool).await.unwrap();
        let publisher = Publisher::open(&pool).await.unwrap();
        let store = Arc::new(PostgresCommands::new(pool, publisher, keyring()));
        let agents = AgentRegistry::new();
        for provider in providers {
            let agent = DemoAgent::new(provider.parse().unwrap());
            agents.register(Arc::new(Counting { agent, counts: Arc::clone(&counts) })).unwrap();
        }
        let scene = Scene::existing(&store, Arc::new(agents));
        let exchanging = tokio::spawn(async move { store.exchange_signals().await });
        scenes.push((number, scene, exchanging));
    }
    let scene = &scenes[0].1;
    let projects = [("one", 1), ("three", 3), ("many", 100)];
    for (name, max_running) in projects {
        scene.add_project(name, max_running).await;
    }
    let mut ids = Vec::new();
    for n in 0..COMMANDS {
        let mut draft = command(n, "Hello.\n/wait 60ms");
        draft.project = projects[usize::from(n % 3)].0.parse().unwrap();
        draft.provider = providers[usize::from(n % 2)].parse().unwrap();
        ids.push(scene.add(draft).await);
    }
    let runners: Vec<_> = scenes
        .iter()
        .map(|(number, scene, _)| {
            let host = RunnerHost::shared(format!("host-{number}").parse().unwrap());
            let options =
                RunnerOptions::new(host).with_max_running(8).with_max_running_of("demo".parse().unwrap(), 5);
            RunnerTask::start(scene.runner(options))
        })
        .collect();
    for id in &ids {
        let ended = scene.ended(*id).await;
        assert_eq!(ended.state.status(), CommandStatus::Completed, "{:?}", ended.result);
    }
    for runner in runners {
        runner.stop().await.unwrap();
    }
    for (_, _, exchanging) in &scenes {
        exchanging.abort();
    }
    let counts = counts.lock().unwrap();
    for (name, limit) in [("all", 8), ("claude", 8), ("demo", 5), ("one", 1), ("three", 3)] {
        let (now, most) = counts[name];
        assert!(now == 0 && (1..=limit).contains(&most), "{name}: {now} and at most {most} of {limit}");
    }
    // The limits were reached, so that they were what held.
    assert!(counts["all"].1 >= 5 && counts["three"].1 == 3, "{counts:?}");
}
