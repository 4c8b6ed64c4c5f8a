//! Crowds: many hostile webhooks or requests at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_testkit::{Hostile, Malice};
use tokio::task::JoinSet;

use super::system::{Kind, System};
use super::{CONNECTIONS, Found, GOOD, GOOD_EVENT, PATIENCE, fan_out, readers};
use crate::Outcome;
use crate::connection::{Connection, request};
use crate::ledger::Ledger;
use crate::publisher::Publisher;
use crate::receiver::Receiver;
use crate::system::{API_KEY, subscribe_all, subscribe_url};

/// Events per second to the good endpoints.
pub(super) const RATE: u32 = 30;

/// The type of the events that the crowd's webhooks subscribe to.
pub(super) const CROWD_EVENT: &str = "command.completed";

/// The source address of the crowd's requests, so that the crowd does not use up the good clients' share of
/// what the API allots by address.
pub(super) const CROWD_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The limit of open files beside the crowd of hosts, and the number of hosts.
const OPEN_FILES: u32 = 1_024;
const HOSTS: u16 = 1_500;

/// The interval between two events to each of the crowd's hosts.
const HOST_EVENTS: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowd {
    /// This many webhooks with an endpoint that never responds; their attempts begin before the good ones'
    /// first event.
    Silent(usize),
    /// The same webhooks, with attempts that begin at a restart.
    SilentAfterRestart(usize),
    /// Webhooks with host names that never resolve.
    DeadNames,
    /// More hosts with connections kept open than the limit of open files.
    FewDescriptors,
    /// Batches with the most deliveries that the API accepts.
    FanOuts,
    /// Slow listings whose clients wait, disconnect or read nothing.
    Readers,
}

/// The activity of a crowd while events are published: its tasks, which end when it is dropped, and a final
/// note for the report.
pub(super) struct Attack {
    pub(super) tasks: JoinSet<()>,
    pub(super) note: Box<dyn Fn() -> Outcome<String> + Send>,
}

impl Attack {
    fn quiet() -> Self {
        Self { tasks: JoinSet::new(), note: Box::new(|| Ok(String::new())) }
    }
}

impl Crowd {
    pub(super) const ALL: &[Self] = &[
        Self::Silent(200),
        Self::Silent(1_000),
        Self::SilentAfterRestart(1_000),
        Self::DeadNames,
        Self::FewDescriptors,
        Self::FanOuts,
        Self::Readers,
    ];

    /// Returns the systems to measure. Dead names run in namespaces of their own, where Postgres cannot
    /// start.
    pub(super) fn kinds(self) -> &'static [Kind] {
        if self == Self::DeadNames { &[Kind::Sqlite] } else { Kind::BOTH }
    }

    pub(super) fn name(self) -> String {
        match self {
            Self::Silent(count) => format!("{count} silent endpoints"),
            Self::SilentAfterRestart(count) => format!("{count} silent endpoints after a restart"),
            Self::DeadNames => "dead names".to_owned(),
            Self::FewDescriptors => format!("{HOSTS} hosts with {OPEN_FILES} open files"),
            Self::FanOuts => "large fan-outs".to_owned(),
            Self::Readers => "hostile readers".to_owned(),
        }
    }
}

/// Makes one run, with its own processes and database.
pub(super) async fn measure(crowd: Crowd, kind: Kind, duration: Duration) -> Outcome<Found> {
    let open_files = (crowd == Crowd::FewDescriptors).then_some(OPEN_FILES);
    let mut system = System::start(kind, open_files).await?;
    let api = system.address();
    let silent = Hostile::start(Malice::Silent).await;
    let hosts = Receiver::start_on(Ipv4Addr::UNSPECIFIED, Ledger::new(0)).await?;
    match crowd {
        Crowd::Silent(count) | Crowd::SilentAfterRestart(count) => {
            let webhook = |number| {
                let url = format!("{}{number}", silent.url());
                format!(r#"{{"url":"{url}","events":["{CROWD_EVENT}"],"timeout_ms":60000}}"#)
            };
            subscribe_all(api, (0..count).map(webhook).collect()).await?;
        }
        Crowd::FewDescriptors => {
            let webhook = |number: u16| {
                let [high, low] = number.to_be_bytes();
                let url = format!("http://127.1.{high}.{low}:{}/", hosts.address.port());
                format!(r#"{{"url":"{url}","events":["{CROWD_EVENT}"],"retry":{{"max_attempts":1}}}}"#)
            };
            subscribe_all(api, (1..=HOSTS).map(webhook).collect()).await?;
        }
        Crowd::FanOuts => fan_out::prepare(api, hosts.address).await?,
        Crowd::Readers => readers::prepare(api).await?,
        Crowd::DeadNames => return Err("names are measured in namespaces of their own".into()),
    }
    let url = |number, receiver| format!("http://{receiver}/{number}");
    let good = Good::prepare(api, RATE, duration, url).await?;
    let attack = match crowd {
        Crowd::FanOuts => fan_out::begin(api),
        Crowd::Readers => readers::begin(api).await?,
        Crowd::FewDescriptors => keep_publishing(api).await?,
        _ => {
            publish(api, CROWD_EVENT).await?;
            Attack::quiet()
        }
    };
    if let Crowd::SilentAfterRestart(_) = crowd {
        system = system.restart().await?;
    }
    let (all, first_second) = good.publish(system.address()).await?;
    Ok(Found::new(&all, &first_second, system.memory_mib()?, (attack.note)()?))
}

/// Publishes one event.
pub(super) async fn publish(api: SocketAddr, event: &str) -> Outcome<()> {
    let body = format!(r#"{{"event":"{event}","data":{{}}}}"#);
    let request = request(api, API_KEY, "POST", "/events", &body);
    let mut connection = Connection::open_from(CROWD_ADDRESS, api).await?;
    let answer = connection.exchange(&request).await?;
    if answer.status == 202 { Ok(()) } else { Err(format!("an event was answered {}", answer.status).into()) }
}

/// Publishes an event to the crowd at once, and another every [`HOST_EVENTS`].
async fn keep_publishing(api: SocketAddr) -> Outcome<Attack> {
    publish(api, CROWD_EVENT).await?;
    let mut attack = Attack::quiet();
    attack.tasks.spawn(async move {
        loop {
            tokio::time::sleep(HOST_EVENTS).await;
            // A refused event harms only the crowd.
            let _ = publish(api, CROWD_EVENT).await;
        }
    });
    Ok(attack)
}

/// The good endpoints, without any earlier delivery.
pub(super) struct Good {
    rate: u32,
    duration: Duration,
    ledger: Arc<Ledger>,
    _receiver: Receiver,
}

impl Good {
    /// Creates their webhooks; `url` maps a webhook's number and the receiver to the URL.
    pub(super) async fn prepare(
        api: SocketAddr,
        rate: u32,
        duration: Duration,
        url: impl Fn(usize, SocketAddr) -> String,
    ) -> Outcome<Self> {
        let places = 2 * GOOD * rate as usize * usize::try_from(duration.as_secs() + 1)?;
        let ledger = Ledger::new(places);
        let receiver = Receiver::start(ledger.clone()).await?;
        for number in 0..GOOD {
            subscribe_url(api, &url(number, receiver.address), GOOD_EVENT).await?;
        }
        Ok(Self { rate, duration, ledger, _receiver: receiver })
    }

    /// Publishes to them; returns the sorted latencies of all events, and of those of the first second.
    pub(super) async fn publish(&self, api: SocketAddr) -> Outcome<(Vec<u32>, Vec<u32>)> {
        let publisher = Publisher {
            address: api,
            key: API_KEY.to_owned(),
            event_type: GOOD_EVENT,
            fan_out: GOOD,
            ledger: self.ledger.clone(),
        };
        publisher.at_rate(CONNECTIONS, self.rate, self.duration).await?;
        self.ledger.all_arrived(PATIENCE).await?;
        let (all, missing) = self.ledger.latencies(0);
        let (duplicates, strangers) = self.ledger.surplus();
        if missing + usize::try_from(duplicates + strangers)? > 0 {
            return Err(format!("{missing} lost, {duplicates} twice, {strangers} strange").into());
        }
        let (first_second, _) = self.ledger.latencies_between(0, GOOD * self.rate as usize);
        Ok((all, first_second))
    }
}
