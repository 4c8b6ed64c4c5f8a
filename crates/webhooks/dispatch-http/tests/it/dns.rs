//! A scripted name server, and a resolver that queries it over UDP.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use rdev_webhooks_dispatch_http::{Deadline, Purpose, Resolve, ResolveError};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// A record of a zone: its name, its time to live, and its data.
pub(crate) type Line = (&'static str, u32, Says);

#[derive(Clone, Copy)]
pub(crate) enum Says {
    Address(IpAddr),
    Alias(&'static str),
}

/// Returns an address record that must not be cached.
pub(crate) fn address(name: &'static str, address: &str) -> Line {
    (name, 0, Says::Address(address.parse().unwrap()))
}

pub(crate) fn alias(name: &'static str, other: &'static str) -> Line {
    (name, 0, Says::Alias(other))
}

pub(crate) struct NameServer {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl NameServer {
    /// Serves one zone after the other: the first for the first query for a name and a type, and so on, the
    /// last for all further ones.
    pub(crate) async fn start(zones: Vec<Vec<Line>>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut asked: HashMap<(String, RecordType), usize> = HashMap::new();
            let mut packet = [0; 1_500];
            loop {
                let (length, peer) = socket.recv_from(&mut packet).await.unwrap();
                let question = Message::from_vec(&packet[..length]).unwrap();
                let query = &question.queries[0];
                let times = asked.entry((query.name().to_lowercase().to_string(), query.query_type()));
                let times = times.and_modify(|times| *times += 1).or_insert(0);
                let zone = &zones[(*times).min(zones.len() - 1)];
                let answer = answer(&question, zone).to_vec().unwrap();
                socket.send_to(&answer, peer).await.unwrap();
            }
        });
        Self { address, _task: task }
    }

    /// Returns a resolver that queries only this server, not the hosts file, and caches answers for their
    /// time to live.
    pub(crate) fn resolver(&self) -> Hickory {
        let mut udp = ConnectionConfig::udp();
        udp.port = self.address.port();
        let server = NameServerConfig::new(self.address.ip(), true, vec![udp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Hickory(builder.build().unwrap())
    }
}

/// Returns the zone's answer to a query: a chain of aliases to its end, in one message.
fn answer(question: &Message, zone: &[Line]) -> Message {
    let query = &question.queries[0];
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let mut name = query.name().clone();
    loop {
        let lines = zone.iter().filter(|(owner, ..)| owner.parse::<Name>().unwrap() == name);
        let mut next = None;
        for (_, ttl, says) in lines {
            let data = match says {
                Says::Address(address) => RData::from(*address),
                Says::Alias(other) => {
                    let other: Name = other.parse().unwrap();
                    next = Some(other.clone());
                    RData::CNAME(CNAME(other))
                }
            };
            if next.is_some() || data.record_type() == query.query_type() {
                answer.add_answer(Record::from_rdata(name.clone(), *ttl, data));
            }
        }
        match next {
            Some(next) => name = next,
            None => return answer,
        }
    }
}

pub(crate) struct Hickory(TokioResolver);

#[async_trait]
impl Resolve for Hickory {
    async fn resolve(&self, name: &str, _: Purpose, _: &Deadline) -> Result<Vec<IpAddr>, ResolveError> {
        let found = self.0.lookup_ip(format!("{name}.")).await;
        let found = found.map_err(|error| ResolveError::Name(error.to_string()))?;
        Ok(found.iter().collect())
    }
}
