//! A server in a container.

use sqlx::postgres::PgConnectOptions;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

use super::programs::HOW_TO_INSTALL;
use super::watchdog::Watchdog;

/// A running container. It ends when this is dropped, and with the process.
#[derive(Debug)]
pub(super) struct Container {
    _container: ContainerAsync<GenericImage>,
    _watchdog: Watchdog,
}

/// Starts a server.
///
/// # Panics
///
/// If Docker is missing or cannot start the image.
pub(super) async fn start() -> (PgConnectOptions, Container) {
    let container = GenericImage::new("postgres", "17-alpine")
        .with_exposed_port(5432.tcp())
        // The message appears twice. The first one, on the other stream, is of the server that sets up the
        // database.
        .with_wait_for(WaitFor::message_on_stdout("PostgreSQL init process complete"))
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
        .with_env_var("POSTGRES_HOST_AUTH_METHOD", "trust")
        .with_cmd(["postgres", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=400"])
        .start()
        .await
        .unwrap_or_else(|error| panic!("{HOW_TO_INSTALL}\nDocker was tried last: {error}"));
    let watchdog = Watchdog::set(r#"docker rm --force --volumes "$1""#, &[container.id().to_owned()]);
    let host = container.get_host().await.expect("the container's host is known").to_string();
    let port = container.get_host_port_ipv4(5432).await.expect("the container's port is known");
    let options = PgConnectOptions::new_without_pgpass()
        .host(&host)
        .port(port)
        .username("postgres")
        .database("postgres");
    (options, Container { _container: container, _watchdog: watchdog })
}
