//! Opening a database: connecting, the checks before anything is served, and the store's own tasks.

use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::{Keyring, RotationReport};
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::SchemaState;
use rdev_webhooks_store::AdvanceClaims;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::address::Address;
use crate::clock::{self, Time};
use crate::connect_error::ConnectError;
use crate::options::PostgresOptions;
use crate::pool::gauges;
use crate::pool::listings::Listings;
use crate::pool::server::Server;
use crate::pool::session::Purpose;
use crate::pool::{Place, Pool, PoolLimits};
use crate::schema::read_state;
use crate::secrets::{key_checks, resealing};
use crate::store::claim_statement::ClaimStatement;
use crate::store::low_water_marks::LowWaterMarks;
use crate::store::{Inner, Pools, PostgresStore};
use crate::upkeep;
use crate::wakeups::{self, Wakeups};

/// The longest wait of upkeep for its connection, which another part of upkeep may hold for several
/// statements.
const UPKEEP_WAIT: Duration = Duration::from_secs(60);

/// Reseals all secrets in a database with the primary key, while processes serve on it, and reports the
/// result. Afterwards, if all secrets could be read, no process needs the other keys.
///
/// It may be stopped at any moment and restarted. The processes that serve meanwhile must have both keys; if
/// one of them still seals with the old key, it must run once more.
///
/// # Errors
///
/// [`ConnectError`]; nothing is changed if the keyring lacks a key that the database is known to need.
pub async fn rekey(address: impl Into<Address>, keyring: &Keyring) -> Result<RotationReport, ConnectError> {
    let options = PostgresOptions::new(address, keyring.clone());
    let place = Place::new(Server::new(&options.address).ok_or(ConnectError::Url)?);
    let pool = upkeep_pool(&options, &place)?;
    check_schema(&pool).await?;
    let report = resealing::reseal(&pool, keyring).await;
    pool.close().await;
    report
}

fn upkeep_pool(options: &PostgresOptions, place: &Place) -> Result<Pool, ConnectError> {
    let limits = PoolLimits {
        size: 1,
        wait: UPKEEP_WAIT,
        connect: options.acquire_timeout,
        statement: options.upkeep_timeout,
    };
    Ok(Pool::new("upkeep", Purpose::Upkeep, limits, place)?)
}

async fn check_schema(pool: &Pool) -> Result<(), ConnectError> {
    match pool.run(async |conn| read_state(conn).await).await? {
        SchemaState::Current => Ok(()),
        other => Err(ConnectError::Schema(other)),
    }
}

impl PostgresStore {
    /// Connects, checks the schema's version and the encryption keys, and starts the upkeep.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(options: PostgresOptions) -> Result<Self, ConnectError> {
        let place = Place::new(Server::new(&options.address).ok_or(ConnectError::Url)?);
        let pool = |name, purpose, size, statement| {
            let (wait, connect) = (options.acquire_timeout, options.acquire_timeout);
            Pool::new(name, purpose, PoolLimits { size, wait, connect, statement }, &place)
        };
        let (hot, sizes) = (options.statement_timeout, options.pools);
        let write = pool("write", Purpose::Write, sizes.write, hot)?;
        let claim = pool("claim", Purpose::Claim, sizes.claim, hot)?;
        let browse = pool("browse", Purpose::Browse, sizes.browse, options.browse_timeout)?;
        let listing = pool("listing", Purpose::Listing, sizes.listing, options.listing_timeout)?;
        let control = pool("control", Purpose::Claim, 1, hot)?;
        let upkeep = upkeep_pool(&options, &place)?;
        check_schema(&upkeep).await?;
        key_checks::admit(&upkeep, &options.keyring).await?;

        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let wakeups = Arc::new(Wakeups::default());
        if options.wake_others {
            wakeups::spawn(&tasks, &stop, &wakeups, control.clone(), Arc::clone(&place.server));
        }
        upkeep::spawn(&tasks, &stop, upkeep.clone());
        let time = Arc::new(Time::default());
        time.look(&control).await?;
        clock::spawn(&tasks, &stop, Arc::clone(&time), control.clone());
        let shown = [&write, &claim, &browse, &listing, &upkeep, &control].map(Pool::clone);
        gauges::spawn(&tasks, &stop, shown);
        let listings = Listings::new(listing, browse.clone(), tasks.clone());
        tasks.close();
        Ok(Self {
            inner: Arc::new(Inner {
                pools: Pools { write, claim, browse, upkeep, control, listings },
                readiness: place.readiness,
                keyring: options.keyring,
                key_lifetime: options.key_lifetime,
                endpoints: EndpointCache::default(),
                marks: LowWaterMarks::default(),
                claim_statement: ClaimStatement::default(),
                wakeups,
                advance_claims: AdvanceClaims::default(),
                time,
                tasks,
                _stop_on_drop: stop.clone().drop_guard(),
                stop,
            }),
        })
    }
}
