use super::*;

fn fault(kind: CredentialKind, text: &str) -> Option<CredentialValueError> {
    CredentialValue::new(kind, text.into()).err()
}

#[test]
fn a_value_is_bounded_text() {
    let (longest, longer) = ("a".repeat(MAX_CREDENTIAL_BYTES), "a".repeat(MAX_CREDENTIAL_BYTES + 1));
    for kind in [CredentialKind::Env, CredentialKind::File] {
        assert_eq!(fault(kind, &longest), None);
        assert_eq!(fault(kind, &longer), Some(CredentialValueError::TooLong));
        assert_eq!(fault(kind, "abc\0d"), Some(CredentialValueError::Nul));
        assert_eq!(fault(kind, " abc\n"), Some(CredentialValueError::TooShort));
        assert_eq!(fault(kind, "abcd"), None);
    }
}

#[test]
fn a_user_of_a_git_server_has_a_host_and_a_password() {
    let git = |text: &str| fault(CredentialKind::Git, text);
    assert_eq!(git("host=git.example.com:8443\nusername=me\npassword=p=w1\n"), None);
    assert_eq!(
        git("host=git.example.com\nusername=me\npassword=p=w\n"),
        Some(CredentialValueError::TooShort)
    );
    let missing = |key| Some(CredentialValueError::Git(GitCredentialError::Missing(key)));
    assert_eq!(git("ghp_token"), missing("host"));
    assert_eq!(git("host=h\nusername=me\npassword=\n"), missing("password"));
    let good = "host=h\nusername=me\npassword=hunter2\n";
    for (line, error) in [
        ("host=other", GitCredentialError::Duplicate("host")),
        ("password=", GitCredentialError::Duplicate("password")),
        ("quit=1", GitCredentialError::Unused("quit")),
        ("url=https://other", GitCredentialError::Unused("url")),
        ("capability[]=authtype", GitCredentialError::Unused("capability[]")),
    ] {
        assert_eq!(git(&format!("{good}{line}\n")), Some(error.into()), "{line}");
    }
    assert_eq!(git(&format!("{good}note=x\n")), None);
    let other = "protocol=ssh\nhost=h\nusername=me\npassword=p";
    assert_eq!(git(other), Some(GitCredentialError::Protocol.into()));
    for host in ["a b", "h\"", "h/p", "me@h", "$(x)"] {
        let text = format!("host={host}\nusername=me\npassword=p");
        assert_eq!(git(&text), Some(GitCredentialError::Host.into()), "{host}");
    }
}

#[test]
fn a_value_is_never_shown() {
    let git = "host=h\nusername=me\npassword=hunter2-hunter2";
    let value = CredentialValue::new(CredentialKind::Git, git.into()).unwrap();
    assert!(!format!("{value:?} {:?}", GitCredential::parse(git)).contains("hunter2"));
}

#[test]
fn a_project_scoped_caller_sees_the_credentials_of_its_projects_alone() {
    let projects = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<_>>();
    let limited = Access::new([]).with_projects(projects(&["a", "b"]));
    assert!(sees_credential(&limited, Some(&projects(&["a"]))));
    assert!(!sees_credential(&limited, Some(&projects(&["a", "c"]))));
    assert!(!sees_credential(&limited, None));
    assert!(sees_credential(Access::everything(), None));
}
