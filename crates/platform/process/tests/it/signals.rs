use std::process::Command;
use std::time::Duration;

use rdev_process::Shutdown;

#[tokio::test]
async fn a_signal_from_the_system_starts_the_drain() {
    let shutdown = Shutdown::install(Duration::from_secs(60)).unwrap();
    let sent = Command::new("sh")
        .args(["-c", "kill -s TERM \"$1\"", "sh"])
        .arg(std::process::id().to_string())
        .status()
        .unwrap();
    assert!(sent.success());
    tokio::time::timeout(Duration::from_secs(10), shutdown.wait()).await.unwrap();
    assert!(!shutdown.abort().is_cancelled());
}
