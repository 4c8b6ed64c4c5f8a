//! The system's names: its hosts file, and DNS according to `resolv.conf`.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use async_trait::async_trait;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{ConnectionProvider, Hosts, PoolContext, Resolver, lookup::Lookup};
use rdev_webhooks_domain::ports::{LocalCause, LocalFault};
use tokio::time::timeout;

use crate::fault::{fault, of_resources};
use crate::look_up::{LookUp, LookUpError};

/// The maximum duration of one look-up, whatever `resolv.conf` says.
const MAX_LOOK_UP: Duration = Duration::from_secs(20);
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
const DNS_PORT: u16 = 53;

/// The system's names. Both files are read again when they change.
pub(crate) struct SystemNames {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    port: u16,
    current: Mutex<Option<Arc<Source>>>,
}

/// The content of the files at one time.
struct Source {
    stamps: [Option<Stamp>; 2],
    hosts: Hosts,
    resolver: Resolver<OneQuery>,
}

/// The attributes that change with a file.
type Stamp = (SystemTime, u64);

impl SystemNames {
    pub(crate) fn new() -> Self {
        Self::of_files("/etc/hosts".into(), "/etc/resolv.conf".into(), DNS_PORT)
    }

    fn of_files(hosts: PathBuf, resolv_conf: PathBuf, port: u16) -> Self {
        Self { hosts, resolv_conf, port, current: Mutex::new(None) }
    }

    fn source(&self) -> Result<Arc<Source>, LookUpError> {
        let stamps = [stamp(&self.hosts), stamp(&self.resolv_conf)];
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = &*current
            && source.stamps == stamps
        {
            return Ok(Arc::clone(source));
        }
        if current.is_some() {
            tracing::info!("hosts file or resolv.conf changed; reading it again");
        }
        let source = Source { stamps, hosts: self.read_hosts()?, resolver: self.resolver()? };
        let source = Arc::new(source);
        *current = Some(Arc::clone(&source));
        Ok(source)
    }

    fn read_hosts(&self) -> Result<Hosts, LookUpError> {
        let mut hosts = Hosts::default();
        let text = match fs::read(&self.hosts) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(hosts),
            Err(error) => return Err(unreadable(&error)),
        };
        for line in String::from_utf8_lossy(&text).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
            for name in words.filter_map(|name| Name::from_str_relaxed(name).ok()) {
                let data = RData::from(address);
                let query = Query::query(name.clone(), data.record_type());
                let lookup =
                    Lookup::new_with_max_ttl(query, [Record::from_rdata(name.clone(), 0, data.clone())]);
                hosts.insert(name, data.record_type(), lookup);
            }
        }
        Ok(hosts)
    }

    fn resolver(&self) -> Result<Resolver<OneQuery>, LookUpError> {
        let text = match fs::read(&self.resolv_conf) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(&error)),
        };
        let (file, errors) = resolv_conf::Config::parse_with_errors(&text);
        for error in errors {
            tracing::warn!(error = &error as &dyn std::error::Error, "ignoring a line of resolv.conf");
        }
        let mut servers: Vec<IpAddr> = file.nameservers.iter().map(IpAddr::from).collect();
        if servers.is_empty() {
            // The C library does the same.
            servers.push(Ipv4Addr::LOCALHOST.into());
        }
        let servers = servers.into_iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = self.port);
            NameServerConfig::new(server, false, connections)
        });
        let search = file.get_last_search_or_domain().filter_map(|name| Name::from_str_relaxed(name).ok());
        let config = ResolverConfig::from_parts(None, search.collect(), servers.collect());
        let mut options = ResolverOpts::default();
        options.ndots = file.ndots as usize;
        options.timeout = Duration::from_secs(u64::from(file.timeout)).max(MIN_TIMEOUT);
        options.edns0 = file.edns0;
        // `attempts` are tries in `resolv.conf` and further tries in the resolver.
        options.attempts = (file.attempts as usize).saturating_sub(1);
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.use_hosts_file = ResolveHosts::Never;
        // A name is looked up and judged again for each new connection.
        options.cache_size = 0;
        // Bounds the number of sockets of one look-up.
        options.num_concurrent_reqs = 1;
        let builder = Resolver::builder_with_config(config, OneQuery::default()).with_options(options);
        builder.build().map_err(|error| local(format!("the resolver cannot be set up: {error}")))
    }
}

#[async_trait]
impl LookUp for SystemNames {
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookUpError> {
        let source = self.source()?;
        let asked = Name::from_str_relaxed(name).map_err(|error| LookUpError::Name(error.to_string()))?;
        let known: Vec<_> = [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| source.hosts.lookup_static_host(&Query::query(asked.clone(), kind)))
            .flat_map(|found| {
                found.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>()
            })
            .collect();
        if !known.is_empty() {
            return Ok(known);
        }
        match timeout(MAX_LOOK_UP, source.resolver.lookup_ip(asked)).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) => Err(explain(&error)),
            Err(_) => Err(LookUpError::Unanswered("no response".to_owned())),
        }
    }

    async fn is_alive(&self) -> bool {
        let Ok(source) = self.source() else { return false };
        match source.resolver.lookup(Name::root(), RecordType::NS).await {
            Ok(_) => true,
            Err(error) => matches!(explain(&error), LookUpError::Name(_)),
        }
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

fn unreadable(error: &io::Error) -> LookUpError {
    match of_resources(error) {
        Some(fault) => LookUpError::Local(fault),
        None => local(format!("the hosts file or resolv.conf cannot be read: {error}")),
    }
}

fn local(detail: String) -> LookUpError {
    let fault: LocalFault = fault(LocalCause::Resolver, detail);
    LookUpError::Local(fault)
}

/// Classifies an error: the name does not exist, no server responded, or this host could not ask.
fn explain(error: &NetError) -> LookUpError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(found)) => match found.response_code {
            ResponseCode::NXDomain => LookUpError::Name("the name does not exist".to_owned()),
            ResponseCode::NoError => LookUpError::Name("the name has no address".to_owned()),
            code => LookUpError::Unanswered(format!("the resolver returned {code}")),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => {
            LookUpError::Unanswered(format!("the resolver returned {code}"))
        }
        NetError::Io(error) => match of_resources(error) {
            Some(fault) => LookUpError::Local(fault),
            None => LookUpError::Unanswered(format!("the resolver cannot be reached: {error}")),
        },
        NetError::Timeout => LookUpError::Unanswered("no response in time".to_owned()),
        NetError::Proto(error) => LookUpError::Name(error.to_string()),
        error => LookUpError::Unanswered(error.to_string()),
    }
}

/// Connections to name servers that send each query once: a query takes one socket, and not a further one
/// with every second of silence.
#[derive(Clone, Default)]
struct OneQuery(TokioRuntimeProvider);

impl ConnectionProvider for OneQuery {
    type Conn = DnsExchange<TokioRuntimeProvider>;
    type FutureConn = Pin<Box<dyn Future<Output = Result<Self::Conn, NetError>> + Send>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        if !matches!(config.protocol, ProtocolConfig::Udp) {
            return self.0.new_connection(ip, config, cx);
        }
        let server = SocketAddr::new(ip, config.port);
        let stream = UdpClientStream::builder(server, self.0.clone())
            .with_timeout(Some(cx.options.timeout))
            .with_max_retries(1);
        Ok(Box::pin(async move { Ok(stream.exchange()) }))
    }

    fn runtime_provider(&self) -> &Self::RuntimeProvider {
        &self.0
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
