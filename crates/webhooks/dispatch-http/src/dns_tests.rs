use std::fs;

use hickory_resolver::proto::op::Message;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::*;

/// The system's names in two files, and a name server on its own port that responds according to a script.
struct System {
    folder: tempfile::TempDir,
    names: SystemNames,
    _server: JoinSet<()>,
}

impl System {
    async fn start(answer: impl Fn(&Query) -> Option<(ResponseCode, Vec<IpAddr>)> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut packet = [0; 1_500];
            loop {
                let (length, peer) = socket.recv_from(&mut packet).await.unwrap();
                let question = Message::from_vec(&packet[..length]).unwrap();
                let query = question.queries[0].clone();
                let Some((code, addresses)) = answer(&query) else { continue };
                let mut response = Message::response(question.metadata.id, question.metadata.op_code);
                response.metadata.response_code = code;
                for data in addresses.into_iter().map(RData::from) {
                    if data.record_type() == query.query_type() {
                        response.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                    }
                }
                response.add_query(query);
                socket.send_to(&response.to_vec().unwrap(), peer).await.unwrap();
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let (hosts, resolv_conf) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
        let names = SystemNames::of_files(hosts, resolv_conf, port);
        Self { folder, names, _server: server }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).unwrap();
    }

    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookUpError> {
        self.names.look_up(name).await
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn nowhere(_: &Query) -> Option<(ResponseCode, Vec<IpAddr>)> {
    Some((ResponseCode::NXDomain, Vec::new()))
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_is_read_again_when_it_changes() {
    let system = System::start(|query| {
        assert!(!query.name().to_string().starts_with("known"), "the file says it all");
        nowhere(query)
    })
    .await;
    system.write("hosts", "127.0.0.1 localhost\n10.0.0.1 known.test Other.Test # known.test\n");
    assert_eq!(system.look_up("known.test").await.unwrap(), [ip("10.0.0.1")]);
    assert_eq!(system.look_up("other.test").await.unwrap(), [ip("10.0.0.1")]);
    assert!(matches!(system.look_up("none.test").await, Err(LookUpError::Name(_))));
    system.write("hosts", "10.0.0.2 known.test\nfd00::1 known.test\nnonsense known.test\n");
    assert_eq!(system.look_up("known.test").await.unwrap(), [ip("10.0.0.2"), ip("fd00::1")]);
    assert!(matches!(system.look_up("other.test").await, Err(LookUpError::Name(_))));
}

#[tokio::test]
async fn resolv_conf_is_used_and_read_again_when_it_changes() {
    let system = System::start(|query| match query.name().to_string().as_str() {
        "app.internal.test." | "hooks.example.com." => {
            Some((ResponseCode::NoError, vec![ip("192.0.2.1"), ip("2001:db8::1")]))
        }
        _ => nowhere(query),
    })
    .await;
    // Without the file, this host itself is asked, where the name server runs.
    let both = [ip("192.0.2.1"), ip("2001:db8::1")];
    assert_eq!(system.look_up("hooks.example.com").await.unwrap(), both);
    assert!(matches!(system.look_up("app").await, Err(LookUpError::Name(_))));
    system.write("resolv.conf", "nameserver 127.0.0.1\nsearch internal.test\n");
    assert_eq!(system.look_up("app").await.unwrap(), both);
    assert!(system.names.is_alive().await, "any answer shows that the resolver works");
}

#[tokio::test]
async fn an_unanswered_name_differs_from_one_that_does_not_exist() {
    let system = System::start(|query| match query.name().to_string().as_str() {
        "failing.test." => Some((ResponseCode::ServFail, Vec::new())),
        "empty.test." => Some((ResponseCode::NoError, Vec::new())),
        "silent.test." | "." => None,
        _ => nowhere(query),
    })
    .await;
    system.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    for (name, is_answered) in
        [("none.test", true), ("empty.test", true), ("failing.test", false), ("silent.test", false)]
    {
        let error = system.look_up(name).await.unwrap_err();
        assert_eq!(matches!(error, LookUpError::Name(_)), is_answered, "{name}: {error:?}");
    }
    assert!(!system.names.is_alive().await);
}
