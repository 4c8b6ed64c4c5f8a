//! Health, and what the service is.

use http::Method;

use rdev_client::{Call, Error, Operation, Reply};

use crate::{Client, Description, HealthStatus};

const HEALTHZ: Operation = Operation { id: "checkLiveness", method: Method::GET, path: "/healthz" };
const READYZ: Operation = Operation { id: "checkReadiness", method: Method::GET, path: "/readyz" };
const METRICS: Operation = Operation { id: "getMetrics", method: Method::GET, path: "/metrics" };
const OPENAPI: Operation = Operation { id: "describe", method: Method::GET, path: "/openapi.json" };
#[cfg(test)]
pub(crate) const ALL: &[&Operation] = &[&HEALTHZ, &READYZ, &METRICS, &OPENAPI];

impl Client {
    /// Checks that the process is alive.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn check_liveness(&self) -> Result<Reply<HealthStatus>, Error> {
        self.0.plain(&HEALTHZ, &[]).await
    }

    /// Checks that the service is ready.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn check_readiness(&self) -> Result<Reply<HealthStatus>, Error> {
        self.0.plain(&READYZ, &[]).await
    }

    /// Returns the metrics in the text format of Prometheus.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn metrics(&self) -> Result<String, Error> {
        let (_, body) = self.0.response(&Call::new(&METRICS, &[])?).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Returns the description of the API, whose head names the version of the service. The JSON of the reply is
    /// the whole description.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn description(&self) -> Result<Reply<Description>, Error> {
        self.0.plain(&OPENAPI, &[]).await
    }
}
